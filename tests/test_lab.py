"""The notebooks in a folder of the user's, put there by a command."""

from pathlib import Path

from dirtylab import cli
from dirtylab.cli import lab

NOTEBOOKS = Path(__file__).parent.parent / "notebooks"


def test_notebooks_are_put_into_a_folder_and_changed_ones_stay(tmp_path, capsys):
    folder = tmp_path / "mine"
    assert cli.main(["lab", str(folder), "--no-open"]) == 0
    for source in NOTEBOOKS.glob("*.ipynb"):
        assert (folder / source.name).read_bytes() == source.read_bytes()
    (folder / lab.START).write_text("mine")
    assert cli.main(["dashboard", str(folder), "--no-open"]) == 0
    assert (folder / lab.START).read_text() == "mine"
    assert f"{lab.START}: is not as shipped" in capsys.readouterr().err


def test_each_opens_what_it_says(tmp_path, monkeypatch):
    called = []

    class Done:
        returncode = 0

    monkeypatch.setattr(lab.subprocess, "run", lambda words, check: called.append(words) or Done())
    for name in ("lab", "dashboard"):
        assert cli.main([name, str(tmp_path)]) == 0
    (_, _, first, *words), (_, _, second, *others) = called
    assert (first, second) == ("jupyterlab", "dirtylab.cli.pages")
    assert words[-1] == f"--LabApp.default_url=/lab/tree/{lab.START}"
    assert others[-1] == str(tmp_path)


def test_without_voila_one_line_says_how_to_get_it(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(lab.importlib.util, "find_spec", lambda name: None)
    assert cli.main(["dashboard", str(tmp_path / "new")]) == 1
    assert "pip install 'dirtylab[dashboard]'" in capsys.readouterr().err
    assert not (tmp_path / "new").exists()
