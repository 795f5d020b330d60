"""The check of the built site."""

import importlib.util
import zlib
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def check_site():
    spec = importlib.util.spec_from_file_location("check_site", ROOT / "docs/check_site.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def made(folder, pages):
    for name, text in pages.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text, encoding="utf-8")
    return folder


def test_a_link_that_leads_nowhere_is_told(check_site, tmp_path):
    site = made(tmp_path, {
        "index.html": '<a href="more/one.html#there">a</a> <a href="#top" id="top">b</a>'
                      '<a href="https://example.org/x">c</a> <a href="more">d</a>'
                      '<img src="lost.png"> <a href="more/one.html#gone">e</a>',
        "more/one.html": '<h1 id="there">f</h1><a href="../index.html?q=1#top">g</a>',
        "more/index.html": "",
        "_static/template.html": '<a href="{{ later }}">h</a>',
    })  # fmt: skip
    assert list(check_site.broken_links(site)) == [
        "index.html: lost.png is not there",
        "index.html: more/one.html#gone has no such place",
    ]


def test_a_public_name_that_the_search_does_not_know_is_told(check_site, tmp_path, capsys):
    site = made(tmp_path, {"index.html": ""})
    names = check_site.public_names()
    assert {"dirtylab.advise", "dirtylab.live.KvmRing", "dirtylab.explore.memory"} <= set(names)
    lines = [f"{name} py:function 1 api.html#$ -" for name in names if name != "dirtylab.sweep"]
    packed = zlib.compress("\n".join([*lines, "dirtylab.sweep std:label 1 x -"]).encode())
    head = b"# Sphinx inventory version 2\n# Project: x\n# Version: 1\n# zlib\n"
    (site / "objects.inv").write_bytes(head + packed)
    assert check_site.main(site) == 1
    assert capsys.readouterr().out == "dirtylab.sweep: is public, and not in the reference\n"
