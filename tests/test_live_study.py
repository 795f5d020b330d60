"""Measurements on real dirty pages: harvests, replays, crossovers of log and ring, figures."""

import json
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest
from slow import slow

from dirtylab.cli import main
from dirtylab.datasets.tracefile import Trace, read_trace
from dirtylab.datasets.traces import recording, recordings
from dirtylab.live import GuestError, KvmRing, missing
from dirtylab.live.trackers import TRACKERS
from dirtylab.structures import STRUCTURES, tuned
from dirtylab.studies.live import experiments, figures, replay, trace_statistics
from dirtylab.studies.live import record as live_record
from dirtylab.studies.live.judge import log_ring_crossovers, nesting

MEASURED = experiments.measured()


def small_trace(*epochs, pages=1024):
    return Trace(pages, tuple(np.array(frames, np.uint64) for frames in epochs), (), {"name": "a"})


def test_harvests_are_measured_of_all_that_is_here():
    rows = []
    for _, action in live_record.harvests(rows, pages=(2048,), dirty=(10, 400), rounds=2):
        action()
    table = pd.DataFrame(rows)
    here = {name for name in TRACKERS if missing(name) is None}
    assert here | set(live_record.ours()) <= set(table["contestant"])
    assert len(table) == 2 * 2 * table["contestant"].nunique()
    assert (table["returned"] == table["dirty"]).all()
    assert (table["ns"] == table[["fetch_ns", "decode_ns", "release_ns"]].sum(axis=1)).all()
    assert (table["ns"] > 0).all()


def test_a_harvest_that_loses_a_frame_does_not_count(monkeypatch):
    def forgetful(self):
        return live_record.Spent(self._made.harvest(self.out)[1:], 1)

    monkeypatch.setattr(live_record.Ours, "harvest", forgetful)
    ((_, action),) = live_record.harvests([], pages=(256,), dirty=(10,), rounds=2)
    with pytest.raises(AssertionError, match="returned other frames"):
        action()


def test_every_structure_plays_a_trace():
    table = pd.DataFrame(replay.replay(small_trace([5, 1, 5], [], list(range(700))), rounds=6))
    assert set(table["structure"]) == set(STRUCTURES)
    assert len(table) == len(STRUCTURES) * 2 * 6
    best = replay.winners(table)
    assert list(best.index) == ["a"]
    assert set(best["best"]) <= set(tuned())
    whole, insert = replay.epochs(table), replay.epochs(table, "insert")
    assert (whole.loc["a"] > insert.loc["a"]).all()


def test_a_replay_that_loses_pages_does_not_count(monkeypatch):
    monkeypatch.setattr(STRUCTURES["list"], "harvest", lambda self, out: out[:0])
    with pytest.raises(AssertionError, match="list returned other pages"):
        replay.replay(small_trace([5, 1]), rounds=1)


def test_posted_structures_are_left_out_where_they_refuse_the_size():
    assert "posted-tree" not in replay.playable(4097)
    assert set(replay.playable(1024)) == set(STRUCTURES)


def curves(cross, pages=4096):
    """Return rows of a log that costs the same and a ring that costs by the writes."""
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        [
            {"contestant": name, "pages": pages, "dirty": dirty, "repeat": repeat,
             "ns": ns * rng.normal(1, 0.02)}
            for dirty in (10, 20, 50, 100, 200, 500, 1000, 2000, 5000)
            for repeat in range(7)
            for name, ns in (("kvm-log", 100.0 * cross), ("kvm-ring", 100.0 * dirty))
        ]
    )  # fmt: skip


@pytest.mark.parametrize("cross", [60, 400, 1500])
def test_log_and_ring_meet_where_they_do(cross):
    (met,) = log_ring_crossovers(curves(cross))
    assert met.at.low < cross < met.at.high
    assert met.at.high < 1.3 * met.at.low
    assert "4,096 pages: kvm-ring is cheaper up to" in str(met)
    assert str(met).endswith("then kvm-log")


@pytest.mark.parametrize(("cross", "cheaper"), [(1, "kvm-log"), (10**6, "kvm-ring")])
def test_log_and_ring_that_do_not_meet(cross, cheaper):
    (met,) = log_ring_crossovers(curves(cross))
    assert met.at is None
    assert str(met) == f"4,096 pages: {cheaper} is the cheaper one throughout"


def test_where_it_can_not_be_told_nothing_is_claimed():
    table = curves(1)
    near = table["dirty"] <= 200
    table.loc[near, "ns"] = 1000 * np.random.default_rng(2).normal(1, 0.2, near.sum())
    (met,) = log_ring_crossovers(table)
    assert str(met) == (
        "4,096 pages: too close to call from 10 to 200 dirty frames, else kvm-log is cheaper"
    )
    (met,) = log_ring_crossovers(table[near])
    assert str(met) == "4,096 pages: too close to call"


def test_nothing_meets_where_nothing_was_measured():
    table = curves(100)
    assert log_ring_crossovers(table[table["contestant"] == "kvm-log"]) == []


@pytest.mark.parametrize(("count", "said"), [(None, False), (0.01, False), (3.002, True)])
def test_nesting_is_told_where_it_is(count, said):
    assert bool(nesting({"instructions_emulated_per_write": count})) == said


def test_statistics_tell_a_sweep_from_scattered_pages():
    sweep = small_trace(range(100, 200), range(100, 200))
    facts, drawn = trace_statistics.beside_random(sweep)
    assert (facts.run_mean, facts.words) == (100.0, 3)
    assert drawn.run_mean < 2
    assert trace_statistics.again(sweep) == 1.0
    assert trace_statistics.again(small_trace([1], [2])) == 0.0
    assert trace_statistics.again(small_trace()) == 0.0
    table = trace_statistics.trace_statistics(["numpy", "kvm-zipf"])
    assert table.loc["numpy", "run"] > 10 * table.loc["kvm-zipf", "run"]


def test_a_map_counts_pages_in_bands():
    trace = small_trace([0, 0, 1], [1023], [], pages=1024)
    found = figures.map_of(trace, height=2, width=3)
    assert found.tolist() == [[2 / 512, 0, 0], [0, 1 / 512, 0]]
    assert figures.map_of(trace, height=2, width=1)[:, 0].tolist() == [2 / 512 / 3, 1 / 512 / 3]


def pictures():
    return [
        figures.maps_picture(["btree", "sqlite", "numpy"]),
        figures.trace_statistics_picture(["btree", "sqlite"]),
        figures.replays_picture(MEASURED),
        figures.harvests_picture(MEASURED),
    ]


def test_pictures_say_in_words_what_they_show():
    for picture in pictures():
        assert len(picture.alt) > 100
        sizes = [
            text.get_fontsize()
            for text in picture.figure.findobj(lambda a: hasattr(a, "get_fontsize"))
        ]
        assert min(sizes) >= 7


def test_the_shipped_measurement_is_whole():
    assert set(MEASURED.replays["trace"]) == set(recordings())
    assert set(MEASURED.replays["structure"]) == set(STRUCTURES)
    assert {"kvm-log", "kvm-log-manual", "kvm-ring", "pagemap"} <= set(
        MEASURED.harvests["contestant"]
    )
    met = log_ring_crossovers(MEASURED.harvests)
    assert {one.pages for one in met} == {2**16, 2**20, 10_000_000}
    assert 2**20 in {one.pages for one in met if one.at is not None}
    for table in (MEASURED.guest, MEASURED.checkpoints, MEASURED.large):
        assert not table.empty
    assert set(MEASURED.guest["pages"]) == {2**16, 2**20, 2**24}


def test_experiments_agree_and_recorded_ones_stand_in(monkeypatch):
    here = experiments.written_and_read(300, 200)
    monkeypatch.setattr(experiments, "missing", lambda _: "nothing here")
    assert experiments.experiments() == {}
    recorded = experiments.written_and_read()
    assert set(recorded["source"]) == {"recorded"}
    for table in (here, recorded):
        assert table["equal"].all()
        assert (table["own"] == 1).all()
    lost = experiments.overrun()
    assert (lost["guarded"] == lost["written"]).all()


def test_an_unguarded_ring_never_hangs_and_invents_nothing():
    if why := missing("kvm-ring"):
        pytest.skip(why)
    frames = np.arange(4000, dtype=np.uint64)
    for _ in range(3):
        with KvmRing(4000, entries=256, guarded=False, time_limit=20) as ring:
            try:
                ring.insert(frames)
            except GuestError as error:
                assert "stuck at a ring that overran" in str(error)  # noqa: PT017
            assert set(ring.harvest().tolist()) <= set(frames.tolist())


def run(*words, **more):
    return subprocess.run(
        [sys.executable, "-m", "dirtylab", *words], capture_output=True, text=True, **more
    )


def test_the_command_records_a_program(tmp_path):
    if why := missing("pagemap"):
        pytest.skip(why)
    words = ["--interval", "0.05", "--name", "nap", "--", "sh", "-c", "sleep 0.3; exit 4"]
    done = run("record", "--out", str(tmp_path / "a.npz"), *words)
    assert done.returncode == 0, done.stderr
    assert "the command was ended with status 4" in done.stderr
    trace = read_trace(tmp_path / "a.npz")
    assert trace.facts["name"] == "nap"
    assert len(trace.epochs) >= 2


def test_the_command_records_a_guest(tmp_path, capsys):
    if why := missing("kvm-ring"):
        pytest.skip(why)
    out = str(tmp_path / "a.txt")
    words = ["--pages", "2^10", "--dirty", "20", "--epochs", "3", "--dataset", "zipf:exponent=0.5"]
    assert main(["record", "--kvm", "--out", out, *words]) == 0
    assert "kvm-zipf" in capsys.readouterr().out
    trace = read_trace(out)
    assert (trace.pages, len(trace.epochs), trace.facts["seed"]) == (1024, 3, 2016)


@pytest.mark.parametrize(
    ("words", "status", "message"),
    [
        ([], 2, "give either --kvm or, after --, a command"),
        (["--kvm", "--", "ls"], 2, "give either --kvm or"),
        (["--kvm", "--dataset", "none"], 2, "dataset='none': must be one of"),
        (["--out", "a.csv", "--kvm"], 2, "must be one of .npz"),
        (["--out", "none/there/a.npz", "--epochs", "0", "--", "ls"], 2, "--epochs: '0': must be"),
        (["--", "no-such-program-here"], 1, "no program 'no-such-program-here'"),
    ],
)
def test_the_command_names_what_is_wrong(words, status, message, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["record", *words]) == status
    assert message in capsys.readouterr().err
    assert not list(tmp_path.glob("*.npz"))


def test_the_command_says_what_is_missing(monkeypatch, capsys):
    monkeypatch.setattr("dirtylab.live._device.DEVICE", "/dev/none")
    assert main(["record", "--kvm"]) == 1
    assert "/dev/none is missing" in capsys.readouterr().err


@slow
@pytest.mark.large
def test_the_command_measures(tmp_path, capsys):
    out = tmp_path / "live"
    assert main(["live", "--quick", "--rounds", "2", "--out", str(out)]) == 0
    assert "Best of those that return sorted frames" in capsys.readouterr().out
    assert json.loads((out / "machine.json").read_text())["cpu"]
    assert len(pd.read_csv(out / "harvests.csv")) > 50
    assert recording("sqlite").facts["name"] == "sqlite"
