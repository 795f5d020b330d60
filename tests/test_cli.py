"""The command, as a person types it: output, exit status, one clear line on trouble."""

import collections
import csv
import json
import os
import pathlib
import re
import resource
import signal
import subprocess
import sys
import termios
import time

import pytest
from slow import slow

from dirtylab import cli
from dirtylab.studies.mailing_list import store, study
from dirtylab.studies.mailing_list.figures import PICTURES
from dirtylab.studies.mailing_list.rows import posted_rows

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
        (["radix-tree", "-64", "5"], "argument SIZE: '-64': must be 1 … 4503599627370496"),
        (["radix-tree", "0", "5"], "argument SIZE: '0': must be 1 … 4503599627370496"),
        (["radix-tree", "64", "0"], "argument COUNT: '0': must be 1 … 4503599627370496"),
        (["radix-tree", "64.5", "5"], "argument SIZE: '64.5': must be a number of pages"),
        (["radix-tree", "many", "5"], "argument SIZE: 'many': must be a number of pages"),
        (["radix-tree", "8", "5"], "argument SIZE: 8: the posted program crashes here"),
        (["radix-tree", "20", "5"], "argument SIZE: 20: the posted program writes past the end"),
        (["radix-tree", "64", "5", "sequence"], "argument seq: invalid choice: 'sequence'"),
        (["radix-tree", "64", "65", "seq"], "dirty=65: a sequence can't be longer than the slot"),
        (["radix-tree", str(2**60), "5"], "argument SIZE: '1152921504606846976': must be 1 …"),
        (["radix-tree", "9" * 30, "5"], "must be 1 … 4503599627370496"),
        (["reproduce", "--out", ""], "--out '': must name a folder"),
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


def test_a_size_at_which_pages_are_lost_is_noted(capsys):
    assert cli.main(["radix-tree", "64", "64", "seq"]) == 0
    heard = capsys.readouterr()
    assert heard.err == "note: at this SIZE the posted tree loses frames 56 … 63\n"
    assert FOUR_LINES.fullmatch(heard.out)


@pytest.mark.parametrize("quick", [["--help"], ["radix-tree", "1024", "10"]])
def test_a_terminal_without_our_letters_is_no_failure(quick):
    done = run(*quick, env={**os.environ, "PYTHONIOENCODING": "ascii"})
    assert done.returncode == 0, done.stderr


def test_a_terminal_gets_a_progress_bar(tmp_path):
    pty = pytest.importorskip("pty")
    main_end, terminal = pty.openpty()
    termios.tcsetwinsize(terminal, (24, 100))
    command = [sys.executable, "-m", "dirtylab", "reproduce", "--quick", "--out", str(tmp_path)]
    running = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=terminal, preexec_fn=heed_ctrl_c
    )
    os.close(terminal)
    seen = os.read(main_end, 4096)
    while b"random 100" not in seen:
        seen += os.read(main_end, 4096)
    running.send_signal(signal.SIGINT)
    running.wait(timeout=60)
    os.close(main_end)
    assert b"step" in seen


def measured_before(monkeypatch, folder):
    """Let a run take what the quick run has measured, which took 15 s."""
    made = store.load(folder[0])
    monkeypatch.setattr(study.Reproduction, "steps", lambda self: [])
    monkeypatch.setattr(study.Reproduction, "study", lambda self: made)


@slow
def test_ctrl_c_while_drawing_keeps_what_was_measured(monkeypatch, capsys, tmp_path, folder):
    measured_before(monkeypatch, folder)

    def interrupt(*_):
        raise KeyboardInterrupt

    monkeypatch.setattr("dirtylab.studies.mailing_list.figures.save_all", interrupt)
    assert cli.main(["reproduce", "--quick", "--out", str(tmp_path)]) == 130
    assert "interrupted while drawing; samples and verdicts are written" in capsys.readouterr().err
    assert {path.name for path in tmp_path.iterdir()} == {"samples.csv", "study.json"}


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


@pytest.mark.parametrize("unbuffered", ["", "1"])
def test_a_reader_that_goes_away_is_no_error(unbuffered):
    command = f"{sys.executable} -m dirtylab trace list | true"
    environment = {**os.environ, "PYTHONUNBUFFERED": unbuffered}
    done = subprocess.run(command, shell=True, capture_output=True, text=True, env=environment)
    assert done.stderr == ""


# --- reproduce ----------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Return the folder that a quick run wrote, and what it printed."""
    out = tmp_path_factory.mktemp("reproduce") / "new" / "folder"
    done = run("reproduce", "--quick", "--out", out)
    assert done.returncode == 0, done.stderr
    assert "step/s" not in done.stderr  # no bar where stderr is no terminal
    return out, done


def test_reproduce_prints_table_claims_and_experiments(folder):
    _, done = folder
    for row in posted_rows():
        assert row.label in done.stdout
    for text in ("The seven claims", "Defect 3", "Flaw: the memory", "Measured on"):
        assert text in done.stdout


def test_reproduce_writes_samples_provenance_and_figures(folder):
    out, _ = folder
    pictures = {f"{name}.{kind}" for name in PICTURES for kind in ("png", "svg", "pdf")}
    assert {path.name for path in out.iterdir()} == {"samples.csv", "study.json", *pictures}
    with (out / "samples.csv").open() as file:
        rows = list(csv.DictReader(file))
    nine = {(row["order"], row["dirty"]) for row in rows if row["method"] == "posted"}
    assert len(nine) == 9
    careful = [row for row in rows if row["method"] == "careful" and row["order"] == "sequential"]
    counts = collections.Counter((row["dirty"], row["structure"]) for row in careful)
    assert len(counts) == 3 * 5  # three rows; three structures, the control and the reference
    rounds = study.QUICK_PLAN.repeats
    assert set(counts.values()) <= {rounds, 2 * rounds, 3 * rounds}  # more where in doubt
    facts = json.loads((out / "study.json").read_text())
    assert facts["machine"]["cpu"]
    assert facts["machine"]["packages"]["numba"]
    assert facts["machine"]["date"]
    assert "git_revision" in facts["machine"]
    assert "srand" in facts["seed_rule"]
    assert len(facts["verdicts"]) == 7


def test_reproduce_as_json_is_what_is_on_disk(monkeypatch, capsys, tmp_path, folder):
    measured_before(monkeypatch, folder)
    monkeypatch.setattr("dirtylab.cli.reproduce._draw", lambda *_: 0)
    assert cli.main(["reproduce", "--json", "--quick", "--out", str(tmp_path)]) == 0
    printed = json.loads(capsys.readouterr().out)
    assert printed == json.loads((tmp_path / "study.json").read_text())
    first = printed["rows"][0]
    assert (first["order"], first["dirty"], len(printed["rows"])) == ("random", 100, 9)
    assert first["ns"]["posted"]["posted-list"]["median"] == 642
    assert first["ns"]["careful"]["posted-tree"]["low"] > 0
    crossover = printed["crossover"]
    if crossover["interval_95"]:  # few rounds on a busy machine may give no end of it
        low, high = crossover["interval_95"]
        assert low <= crossover["dirty"] <= high


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
    assert last.count("samples.csv") == 1
    assert "Traceback" not in done.stderr
    assert all(path.stat().st_size < 2048 for path in tmp_path.iterdir())
    assert not list(tmp_path.glob(".partial*"))


def heed_ctrl_c():
    """Undo what a shell does to its background jobs, which the tests may be."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def rows_in(path):
    if not path.exists():
        return set()
    with path.open() as file:
        return {(row["order"], row["dirty"]) for row in csv.DictReader(file)}


def test_ctrl_c_keeps_the_rows_already_measured(tmp_path):
    command = [sys.executable, "-m", "dirtylab", "reproduce", "--out", str(tmp_path)]
    running = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"}, preexec_fn=heed_ctrl_c,
    )  # fmt: skip
    deadline = time.monotonic() + 120
    partial = tmp_path / "partial-samples.csv"
    (tmp_path / "samples.csv").write_text("an earlier, whole run")
    while len(rows_in(partial)) < 2 and time.monotonic() < deadline:
        time.sleep(0.02)
    running.send_signal(signal.SIGINT)
    printed, heard = running.communicate(timeout=60)
    assert running.returncode == 130
    assert "Traceback" not in heard
    kept = rows_in(partial)
    assert 2 <= len(kept) < 9
    assert f"interrupted; {len(kept)} of 9 rows kept" in heard
    assert "random 100\n" in printed
    assert json.loads((tmp_path / "partial-study.json").read_text())["complete"] is False
    assert (tmp_path / "samples.csv").read_text() == "an earlier, whole run"
    assert not (tmp_path / "study.json").exists()


def test_ctrl_c_before_the_first_row_says_so(monkeypatch, capsys, tmp_path):
    def interrupt():
        raise KeyboardInterrupt

    monkeypatch.setattr(study, "compile_all", interrupt)
    assert cli.main(["reproduce", "--out", str(tmp_path)]) == 130
    assert "interrupted before the first row" in capsys.readouterr().err
    assert list(pathlib.Path(tmp_path).iterdir()) == []
