"""Two tables of peers: small cells, agreement, what is kept and taken up again, what is refused."""

import json

import numpy as np
import pytest

from dirtylab import STRUCTURES, cli
from dirtylab.native import compiler
from dirtylab.native.peers import build as building
from dirtylab.studies.peers import native_report as report
from dirtylab.studies.peers import natives
from dirtylab.studies.peers.natives import ATOMIC, PLAIN, RUNS, THREADS, Cell

BUILT = ("plain-c", "kvm-log-ctz")
SMALL = [
    Cell(PLAIN, "random", 5000, 100, 1),
    Cell(ATOMIC, "clustered:length=64", 5000, 300, 1),
    Cell(THREADS, "random", 5000, 600, 2),
]


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path_factory.getbasetemp() / "peers-cache"))
    compiler.cache_folder.cache_clear()
    before = dict(STRUCTURES)
    for name in BUILT:
        if lacks := building.state(name).missing:
            pytest.skip(lacks)
        building.build(name)
    monkeypatch.setattr(natives, "cells", lambda **_: SMALL)
    yield
    compiler.cache_folder.cache_clear()
    for name in set(STRUCTURES) - set(before):
        del STRUCTURES[name]


def test_all_cells_of_the_issue_are_there(monkeypatch):
    monkeypatch.undo()
    found = natives.cells()
    assert len(found) == len(set(found)) == 2 * 6 * 3 + 2 * 3 * 2 + 2 * 7 + 4
    assert {one.pages for one in found} == {10_000_000, 2**30}
    assert [one.threads for one in found if one.table == THREADS] == [1, 2, 4, 8]
    assert max(one.pages for one in natives.cells(quick=True)) == 2**20


@pytest.mark.parametrize("cell", SMALL, ids=lambda cell: cell.table)
def test_a_cell_has_ours_and_peers_of_its_kind(cell):
    rows = natives.measure(cell, 2)
    ours = natives.OURS[PLAIN] if cell.table == PLAIN else ("lockless bitmap", "lockless tree64")
    peer = "plain-c" if cell.table == PLAIN else "kvm-log-ctz"
    assert {one["contestant"] for one in rows} == {*ours, peer}
    parts = {"insert"} if cell.table == THREADS else {"insert", "harvest", "epoch"}
    for name in (*ours, peer):
        for repeat in range(2):
            spent = {
                one["operation"]: one["ns"]
                for one in rows
                if (one["contestant"], one["repeat"]) == (name, repeat)
            }
            assert set(spent) == parts
            assert min(spent.values()) > 0
            if "epoch" in spent:
                assert spent["epoch"] == spent["insert"] + spent["harvest"]


@pytest.mark.parametrize("cell", SMALL, ids=lambda cell: cell.table)
def test_one_that_returns_other_frames_is_not_timed(cell, monkeypatch):
    real = natives.together

    def losing(one, parts):
        return real(one, [parts[0][1:], *parts[1:]])

    monkeypatch.setattr(natives, "together", losing)
    with pytest.raises(AssertionError, match="returned other frames than were inserted"):
        natives.measure(cell, 1)


def test_runs_are_compared_with_frames():
    import pandas as pd

    rows = natives.measure(Cell(RUNS, "clustered:length=8", 5000, 300, 1), 2)
    assert {one["contestant"] for one in rows} == {one.name for one in natives.RUN_TIMERS}
    assert {one["operation"] for one in rows} == {"harvest", "harvest runs"}
    ratios = report.run_ratios(pd.DataFrame(rows))
    assert (ratios.to_numpy() > 0).all()
    assert "Runs instead of frames" in "".join(
        report._of_runs(pd.DataFrame(rows), "Runs instead of frames")
    )


def test_threads_insert_all_their_frames():
    one = natives.made(SMALL[2])["kvm-log-ctz"]
    out = np.zeros(4000, np.uint64)
    parts = [np.arange(start, 4000, 4, dtype=np.uint64) for start in range(4)]
    assert natives.together(one, parts) > 0
    assert natives.take_native(one.state, out) == 4000
    assert np.array_equal(out, np.arange(4000))


def test_the_command_measures_reports_and_goes_on(tmp_path, capsys, monkeypatch):
    folder = tmp_path / "out"
    words = ["peers", "measure", "--repeats", "1", "--out", str(folder)]
    real, seen = natives.measure, []

    def interrupted(cell, repeats):
        if cell.table == THREADS:
            raise KeyboardInterrupt
        return real(cell, repeats)

    def counted(cell, repeats):
        seen.append(cell)
        return real(cell, repeats)

    monkeypatch.setattr(natives, "measure", interrupted)
    assert cli.main(words) == 130
    before = (folder / "samples.csv").read_text()
    assert "interrupted; the cells measured are kept" in capsys.readouterr().err
    monkeypatch.setattr(natives, "measure", counted)
    assert cli.main(words) == 0
    assert seen == SMALL[2:]
    assert (folder / "samples.csv").read_text().startswith(before)
    told = json.loads((folder / "machine.json").read_text())
    assert set(told["peers"]) == set(BUILT)
    assert told["peers"]["kvm-log-ctz"]["code"] == "transcription"
    heard = capsys.readouterr()
    assert "Plain inserts, one thread" in heard.out
    assert "ns a frame until the last is done" in heard.out
    assert "kvm-log-ctz: dirtylab, transcription" in heard.out
    assert "not built, so not measured: plain-c-avx512" in heard.err


def test_another_recording_is_not_mixed_in(tmp_path, capsys):
    words = ["peers", "measure", "--out", str(tmp_path), "--repeats"]
    assert cli.main([*words, "1"]) == 0
    kept = (tmp_path / "samples.csv").read_bytes()
    assert cli.main([*words, "2"]) == 2
    assert "has a recording of other plan; name another one" in capsys.readouterr().err
    assert (tmp_path / "samples.csv").read_bytes() == kept


def test_leads_are_the_best_peer_over_the_best_of_ours():
    import pandas as pd

    spent = {"bitmap": 10.0, "tree64": 4.0, "plain-c": 12.0, "croaring": 6.0}
    rows = [
        {"table": PLAIN, "pattern": "random", "pages": 9, "dirty": 3, "threads": 1,
         "contestant": name, "repeat": 0, "operation": "epoch", "ns": ns}
        for name, ns in spent.items()
    ]  # fmt: skip
    assert report.leads(pd.DataFrame(rows), PLAIN).tolist() == [1.5]
    assert list(report.medians(pd.DataFrame(rows), PLAIN).index) == list(spent)


def test_what_is_recorded_is_read_and_drawn():
    from dirtylab.advice.machines import PEERS, reference
    from dirtylab.studies.peers import figures

    table, told = report.load(reference().folder / PEERS)
    drawn = [figures.epochs_picture(table, told, kind) for kind in (PLAIN, ATOMIC)]
    for picture in (*drawn, figures.runs_picture(table, told)):
        assert len(picture.alt) > 60
        labels = {line.get_label() for ax in picture.figure.axes for line in ax.get_lines()}
        assert len(labels) >= 3
    assert list(report.thread_costs(table).columns) == [1, 2, 4, 8]
    assert "Plain inserts, one thread" in report.text_report(table, told)


def test_each_peer_has_a_look_of_its_own():
    from dirtylab.figures.style import LOOKS
    from dirtylab.native.peers.recipes import PEERS
    from dirtylab.studies.peers.figures import PEER_LOOKS

    assert set(PEER_LOOKS) == set(PEERS)
    looks = [*PEER_LOOKS.values(), *LOOKS.values()]
    assert len({(one.color, one.marker) for one in looks}) == len(looks)
