"""The command, as a person types it: output, exit status, one clear line on trouble."""

import csv
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import time

import pytest

from dirtylab import cli
from dirtylab.figures.mailing_list import PICTURES
from dirtylab.mailing_list import study
from dirtylab.mailing_list.rows import posted_rows

FOUR_LINES = re.compile(
    r"kB size l:\d+ t:\d+ b:\d+\n"
    r"l: +\d+ ns \(1\.00, +\d+\.\d\d, +\d+\.\d\d\)\n"
    r"t: +\d+ ns \(\d+\.\d\d, +1\.00, +\d+\.\d\d\)\n"
    r"b: +\d+ ns \(\d+\.\d\d, +\d+\.\d\d, +1\.00\)\n"
)


def run(*arguments, **options):
    command = [sys.executable, "-m", "dirtylab", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=300, **options)


@pytest.mark.parametrize("order", [[], ["seq"]])
def test_radix_tree_prints_the_posted_programs_four_lines(order):
    done = run("radix-tree", 10_000_000, 1000, *order)
    assert FOUR_LINES.fullmatch(done.stdout), done.stdout + done.stderr
    assert done.stdout.startswith("kB size l:7 t:1513 b:1220\n")
    assert done.returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "the following arguments are required: COMMAND"),
        (["radix-tree"], "required: SIZE, COUNT"),
        (["radix-tree", "64"], "required: COUNT"),
        (["radix-tree", "-64", "5"], "argument SIZE: -64 is not 1 or more"),
        (["radix-tree", "0", "5"], "argument SIZE: 0 is not 1 or more"),
        (["radix-tree", "64", "0"], "argument COUNT: 0 is not 1 or more"),
        (["radix-tree", "64.5", "5"], "argument SIZE: '64.5' is not a whole number"),
        (["radix-tree", "many", "5"], "argument SIZE: 'many' is not a whole number"),
        (["radix-tree", "8", "5"], "argument SIZE: 8: the posted program crashes here"),
        (["radix-tree", "20", "5"], "argument SIZE: 20: the posted program writes past the end"),
        (["radix-tree", "64", "5", "sequence"], "argument seq: invalid choice: 'sequence'"),
        (["radix-tree", "64", "65", "seq"], "dirty=65: a sequence can't be longer than the slot"),
        (["radix-tree", str(2**60), "5"], "pages=1152921504606846976: must be 0 …"),
        (["reproduce", "--fast"], "unrecognized arguments: --fast"),
        (["reproduce", "--out"], "argument --out: expected one argument"),
        (["plot"], "invalid choice: 'plot'"),
    ],
)
def test_wrong_arguments_get_one_line_and_status_2(capsys, arguments, message):
    try:
        status = cli.main(arguments)
    except SystemExit as stop:  # argparse's own way out
        status = stop.code
    heard = capsys.readouterr()
    assert status == 2
    assert message in heard.err.splitlines()[-1]
    assert heard.out == ""
    assert "Traceback" not in heard.err


def test_more_than_the_machines_memory_is_refused_with_status_1(capsys):
    assert cli.main(["radix-tree", "64", str(2**50)]) == 1
    heard = capsys.readouterr().err
    assert re.search(r"radix-tree: dirty=\d+: needs .* GiB of memory; this machine has", heard)
    assert heard.count("\n") == 1


def test_version_and_help(capsys):
    for flag in ("--version", "--help"):
        with pytest.raises(SystemExit, match="0"):
            cli.main([flag])
    assert re.search(r"dirtylab \d+\.\d+", capsys.readouterr().out)


def test_a_reader_that_goes_away_is_no_error(tmp_path):
    command = f"{sys.executable} -m dirtylab radix-tree 1024 10 | true"
    done = subprocess.run(command, shell=True, capture_output=True, text=True)
    assert "Traceback" not in done.stderr
    assert "Exception" not in done.stderr


# --- reproduce ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return the folder that a quick run wrote, and what it printed."""
    out = tmp_path_factory.mktemp("reproduce") / "new" / "folder"
    done = run("reproduce", "--quick", "--out", out)
    assert done.returncode == 0, done.stderr
    return out, done


def test_reproduce_prints_table_claims_and_experiments(folder):
    _, done = folder
    for row in posted_rows():
        assert row.label in done.stdout
    for text in ("The seven claims", "Defect 3", "Flaw: the memory", "Measured on"):
        assert text in done.stdout
    assert "100%" in done.stderr


def test_reproduce_writes_samples_provenance_and_figures(folder):
    out, _ = folder
    pictures = {f"{name}.{kind}" for name in PICTURES for kind in ("png", "svg", "pdf")}
    assert {path.name for path in out.iterdir()} == {"samples.csv", "study.json", *pictures}
    with (out / "samples.csv").open() as file:
        rows = list(csv.DictReader(file))
    nine = {(row["order"], row["dirty"]) for row in rows if row["method"] == "posted"}
    assert len(nine) == 9
    careful = [row for row in rows if row["method"] == "careful" and row["order"] == "sequential"]
    assert len(careful) == 3 * 3 * study.QUICK_PLAN.repeats
    facts = json.loads((out / "study.json").read_text())
    assert facts["machine"]["cpu"]
    assert facts["machine"]["packages"]["numba"]
    assert facts["machine"]["date"]
    assert "git_revision" in facts["machine"]
    assert "srand" in facts["seed_rule"]
    assert len(facts["verdicts"]) == 7


def test_reproduce_as_json_is_what_is_on_disk(monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(study, "all_experiments", lambda runs: {})
    monkeypatch.setattr("dirtylab.mailing_list.study.posted_rows", lambda: posted_rows()[6:7])
    monkeypatch.setattr("dirtylab.mailing_list.command._draw", lambda *_: [])
    assert cli.main(["reproduce", "--json", "--quick", "--out", str(tmp_path)]) == 0
    assert json.loads(capsys.readouterr().out) == json.loads((tmp_path / "study.json").read_text())


def test_an_out_that_is_a_file_is_refused_before_measuring(capsys, tmp_path):
    (tmp_path / "file").write_text("kept")
    assert cli.main(["reproduce", "--out", str(tmp_path / "file")]) == 1
    heard = capsys.readouterr()
    assert re.fullmatch(r"dirtylab reproduce: .*file: can't write there: .*\n", heard.err)
    assert heard.out == ""
    assert (tmp_path / "file").read_text() == "kept"


def limit_file_size():
    resource.setrlimit(resource.RLIMIT_FSIZE, (2048, 2048))


def test_a_full_disk_is_named_and_leaves_nothing_half_written(tmp_path, monkeypatch):
    done = run("reproduce", "--quick", "--out", tmp_path, preexec_fn=limit_file_size)
    assert done.returncode == 1
    last = done.stderr.splitlines()[-1]
    assert re.fullmatch(r"dirtylab reproduce: .*samples.csv: not written: File too large", last)
    assert "Traceback" not in done.stderr
    assert all(path.stat().st_size < 2048 for path in tmp_path.iterdir())
    assert not list(tmp_path.glob(".partial*"))


def rows_in(path):
    if not path.exists():
        return set()
    with path.open() as file:
        return {(row["order"], row["dirty"]) for row in csv.DictReader(file)}


def test_ctrl_c_keeps_the_rows_already_measured(tmp_path):
    command = [sys.executable, "-m", "dirtylab", "reproduce", "--out", str(tmp_path)]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    deadline = time.monotonic() + 120
    while len(rows_in(tmp_path / "samples.csv")) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    printed, heard = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in heard
    kept = rows_in(tmp_path / "samples.csv")
    assert 2 <= len(kept) < 9
    assert f"interrupted; {len(kept)} of 9 rows kept" in heard
    assert "random 100\n" in printed
    assert json.loads((tmp_path / "study.json").read_text())["complete"] is False


def test_ctrl_c_before_the_first_row_says_so(monkeypatch, capsys, tmp_path):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(study, "_compile", interrupt)
    assert cli.main(["reproduce", "--out", str(tmp_path)]) == 130
    assert "interrupted before the first row" in capsys.readouterr().err
    assert list(pathlib.Path(tmp_path).iterdir()) == []
