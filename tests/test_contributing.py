"""What CONTRIBUTING.md says works: each block of code is run."""

import re
import shlex
import shutil
from pathlib import Path

import numpy as np
import pytest
from slow import slow

from dirtylab import DATASETS, STRUCTURES, cli
from dirtylab.advice.machines import held_out_file, model_file, read_machine, reference
from dirtylab.native.compiler import LANGUAGES, find_compiler
from dirtylab.native.errors import TrackerError

TEXT = (Path(__file__).parent.parent / "CONTRIBUTING.md").read_text(encoding="utf-8")
CHAPTERS = dict(re.findall(r"^## (.+?)\n(.*?)(?=^## |\Z)", TEXT, re.MULTILINE | re.DOTALL))


def block(chapter, language="python"):
    (found,) = re.findall(rf"```{language}\n(.*?)```", CHAPTERS[chapter], re.DOTALL)
    return found


def run(chapter):
    names = {"__name__": "contributed"}
    exec(compile(block(chapter), chapter, "exec"), names)
    return names


@pytest.fixture(autouse=True)
def _registries_as_before(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    before = dict(STRUCTURES), dict(DATASETS)
    yield
    for registry, kept in zip((STRUCTURES, DATASETS), before, strict=True):
        registry.clear()
        registry.update(kept)


def test_a_structure():
    run("Add a structure")
    made = STRUCTURES["my-bitmap"](1000)
    made.insert([7, 999, 7])
    assert made.harvest().tolist() == [7, 999]
    assert "my-bitmap" in repr(made)


def test_a_tracker(capsys):
    try:
        find_compiler(LANGUAGES[".c"], Path("mine.c"))
    except TrackerError as why:
        pytest.skip(str(why))
    names = run("Bring your own tracker")
    assert names["broken"] == []
    assert names["tracker"].harvest().tolist() == [7, 99]
    assert set(names["table"]["structure"]) == {"bitmap", "c-bitmap"}


def test_a_pattern():
    run("Add a pattern")
    frames = DATASETS["walk"](1000, 50, seed=1, step=3)
    assert frames.dtype == np.uint64
    assert frames.size == 50
    assert (frames < 1000).all()


def test_a_study(capsys):
    best = run("Add a study")["best"]
    assert list(best.index) == [10, 10_000]
    assert "10000" in capsys.readouterr().out


def test_a_view():
    names = run("Add a view")
    view = names["BitmapBytes"](names["State"](4096), names["State"](64))
    shown = view.draw()
    assert "4,096 pages takes 512 bytes" in shown.alt
    assert shown.png.startswith(b"\x89PNG")
    view.change("pages", 64)
    assert "64 pages takes 8 bytes" in view.draw().alt


@slow
def test_a_recorded_machine(tmp_path, monkeypatch, capsys):
    """The commands as written, on a small plan, with models that are there already."""
    from dirtylab.studies.crossovers import record as crossovers_record
    from dirtylab.studies.machines import record
    from dirtylab.studies.peers import natives

    small = record.Plan(pages=(10_000,), refine_s=0.1, repeats=2)
    monkeypatch.setattr(record.Plan, "__new__", lambda cls: small)
    monkeypatch.setattr(record, "_calibrate", _copy_model)
    monkeypatch.setattr(crossovers_record, "MAP_PAGES", 10_000)
    monkeypatch.setattr(natives, "DIRTY", (100,))
    monkeypatch.setattr(natives, "RUN_LENGTHS", (4,))
    commands = [shlex.split(line) for line in block("Add a recorded machine", "sh").splitlines()]
    assert [words[0] for words in commands] == ["dirtylab", "dirtylab"]
    assert cli.main(commands[0][1:]) in {0, 1}  # on another machine the models are not of it
    assert "my-machine" in capsys.readouterr().out
    assert read_machine(tmp_path / "my-machine").complete
    assert not (tmp_path / "my-machine" / record.WORK).exists()
    assert [label for label, _ in record.steps(tmp_path / "my-machine", small)] == [
        "structures of others"
    ]
    assert cli.main(commands[1][1:]) in {0, 1}
    assert "`my-machine`" in capsys.readouterr().out


def _copy_model(out, plan, cache, shown):
    for name in (model_file(cache), held_out_file(cache)):
        shutil.copy(reference().folder / name, out)


def test_a_change_is_measured(capsys):
    run("Measure a change")
    assert 0.01 < float(capsys.readouterr().out) < 100


def test_each_recipe_is_at_most_ten_lines_of_text():
    for chapter in (name for name in CHAPTERS if name.startswith("Add ")):
        text = re.sub(r"```.*?```", "", CHAPTERS[chapter], flags=re.DOTALL)
        assert 0 < len([line for line in text.splitlines() if line.strip()]) <= 10, chapter
