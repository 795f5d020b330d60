"""Checkpoints, trackers of the lab, later rules, three fidelities; runs held out."""

import json
import math
import shutil

import numpy as np
import pytest
from test_migration import predicted, recorded

import dirtylab
from dirtylab.cli import main
from dirtylab.datasets.traces import recording
from dirtylab.migration import closed, textbook
from dirtylab.migration.costs import costs_of
from dirtylab.migration.fidelities import compared, fidelities
from dirtylab.migration.question import ask, writes_of
from dirtylab.migration.tracking import tracking

GUEST = {"working_set": "64MiB", "bandwidth": "100MB/s", "limit": 5}


@pytest.mark.parametrize("tracker", ["list", "bitmap", "tree64"])
def test_a_structure_of_the_lab_tracks_a_migration(tracker):
    one = dirtylab.migrate("256MiB", rate=1000, tracker=tracker, **GUEST)
    cost = tracking(tracker, "random", {}, 2**14, costs_of(None))
    log = tracking("kvm-log", "random", {}, 2**14, costs_of(None))
    assert one.converges
    assert cost.first_write_s > log.first_write_s
    assert cost.sync_s > log.sync_s
    assert cost.sync_page_s >= 0


def test_later_rules_sync_more_often_and_know_the_switchover():
    slow = {"rate": 0, "bandwidth": "10MB/s", "limit": 60}
    usual = dirtylab.migrate("128MiB", **slow)
    later = dirtylab.migrate("128MiB", rules="later", **slow)
    assert later.syncs == usual.syncs, "no more in the first round, however long it takes"
    assert "a sync where a round after the first takes 5 s" in str(later)
    long = {"rate": 1000, "working_set": "256MiB", "bandwidth": "10MB/s", "limit": 90}
    found = {one: dirtylab.migrate("512MiB", rules=one, **long) for one in ("qemu-7.2", "later")}
    assert found["later"].syncs > found["qemu-7.2"].syncs
    at = found["later"].rounds["seconds"].to_numpy()
    assert (np.diff(at) < 10.2).all()
    wide = dirtylab.migrate("128MiB", rules="later", switchover="1GB/s", **slow)
    assert wide.downtime > later.downtime
    with pytest.raises(ValueError, match=r"^switchover='1GB/s': must be omitted"):
        dirtylab.migrate("128MiB", switchover="1GB/s", **slow)
    with pytest.raises(ValueError, match=r"^rules='8'"):
        dirtylab.migrate("128MiB", rules="8", **slow)


def test_three_fidelities_agree_on_clear_cases():
    table = fidelities("256MiB", rate=1000, **GUEST)
    assert table.index.tolist() == ["textbook", "closed form", "simulation"]
    assert table["converges"].all()
    assert table["seconds"].max() < 1.3 * table["seconds"].min()
    never = fidelities("256MiB", rate=10**6, downtime="30ms", **GUEST)
    assert not never["converges"].any()
    with pytest.raises(ValueError, match=r"^dataset="):
        closed.unique_pages("trace", 100, {})


@pytest.mark.large
def test_the_closed_form_is_near_the_recorded_runs():
    rows = [row for row in recorded() if row["completed"] == "1" and float(row["total_ms"]) > 1000]
    errors = []
    for row in rows:
        found = compared(predicted(row).question)
        errors.append(abs(1000 * found["seconds"]["closed form"] / float(row["total_ms"]) - 1))
    assert np.median(errors) <= 0.05


def test_a_curve_is_enough():
    points = textbook.curve([0.1, 1, 10], [100, 500, 1000])
    one = dirtylab.migrate("64MiB", points, bandwidth="100MB/s")
    assert one.converges
    assert 0.4 < one.low <= one.seconds <= one.high < 1
    assert len(one.rounds) == one.syncs - 1
    assert "closed form" in str(one)
    assert math.isnan(one.guest_slowdown)
    assert json.loads(one.as_json())["guest_slowdown"] is None
    zeros = dirtylab.migrate("64MiB", points, nonzero="16MiB", bandwidth="100MB/s")
    assert zeros.sent_bytes < one.sent_bytes
    fast = textbook.curve([0.1, 1, 10], [16000, 16384, 16384])
    never = dirtylab.migrate("64MiB", fast, bandwidth="20MB/s", downtime="10ms")
    assert not never.converges
    assert math.isnan(never.downtime)
    for wrong, named in (({"rate": 5}, "rate"), ({"rules": "later"}, "rules"),
                         ({"working_set": "1GiB"}, "working_set")):  # fmt: skip
        with pytest.raises(ValueError, match=f"^{named}="):
            dirtylab.migrate("64MiB", points, bandwidth="1GB/s", **wrong)


def test_a_curve_agrees_with_the_pattern_that_it_is_of():
    size, rate = 2**14, 10_000
    times = np.geomspace(0.01, 10, 40)
    points = textbook.curve(times, size * -np.expm1(-rate * times / size))
    facts = {"bandwidth": "100MB/s", "limit": 20}
    by_curve = dirtylab.migrate("64MiB", points, **facts)
    by_pattern = dirtylab.migrate("64MiB", rate=rate, **facts)
    assert by_curve.seconds == pytest.approx(by_pattern.seconds, rel=0.1)
    assert by_curve.rho == pytest.approx(by_pattern.rho, rel=0.05)


def test_a_recorded_program_migrates_at_its_own_pace():
    one = dirtylab.migrate("1GiB", "trace", path="redis", bandwidth="200MB/s")
    assert one.converges
    assert "as recorded" in str(one)
    found = recording("redis")
    mean = sum(epoch.size for epoch in found.epochs) / (found.times[-1] / 1e9)
    paced = dirtylab.migrate("1GiB", "trace", path="redis", rate=mean, bandwidth="200MB/s")
    assert paced.seconds == pytest.approx(one.seconds, rel=0.3)
    quick = dirtylab.migrate("1GiB", "trace", path="redis", rate=10**7, bandwidth="20MB/s",
                             downtime="10ms", limit=2)  # fmt: skip
    assert not quick.converges


@pytest.mark.parametrize("options", [{"length": 64}, {"length": 1}, {}])
def test_a_pattern_that_does_not_repeat_pages_is_drawn_again(options):
    asked = ask(4096, "clustered", rate=10**5, limit=5, bandwidth=1e8, **options)
    frames = writes_of(asked).frames
    assert len(frames) == 550_000
    assert len(np.unique(frames[:2048])) > 1500
    assert not np.array_equal(frames[:2048], frames[4096:6144])
    one = dirtylab.migrate("256MiB", "clustered", working_set="16MiB", rate=10**5,
                           bandwidth="50MB/s", limit=5, **options)  # fmt: skip
    assert one.syncs > 2


def test_recorded_writes_come_when_they_were_recorded(tmp_path):
    path = tmp_path / "two.txt"
    path.write_text("# pages 100\n# epoch 1000000000\n1\n2\n# epoch 3000000000\n7\n")
    asked = ask(100, "trace", path=path, bandwidth=1e6)
    writes = writes_of(asked)
    assert writes.frames.tolist() == [1, 2, 7]
    assert writes.due.tolist() == [0.0, 0.5, 1.0]
    assert writes.round_s == 3.0
    assert asked.working_set == 100


@pytest.mark.parametrize(
    ("options", "told"),
    [({}, "^path: is missing"), ({"path": "nothing"}, "^path='nothing': no such file"),
     ({"path": "redis", "fit": "cut"}, "^fit: unknown"), ({"path": "redis", "working_set": 5},
     "^working_set=5: must be 15360 or more")],
)  # fmt: skip
def test_a_recording_that_cannot_be_is_refused(options, told):
    with pytest.raises((ValueError, TypeError, OSError), match=told):
        dirtylab.migrate("1GiB", "trace", bandwidth="1GB/s", **options)
    with pytest.raises(ValueError, match=r"^path='redis': must be at most the 256 pages"):
        dirtylab.migrate("1MiB", "trace", path="redis", bandwidth="1GB/s")


def test_the_command_takes_a_curve_and_costs(tmp_path, capsys):
    path = tmp_path / "curve.csv"
    path.write_text("seconds,pages\n0.1,100\n1,500\n")
    words = ["migrate", "--pages", "64MiB", "--bandwidth", "1Gbit/s"]
    assert main([*words, "--curve", str(path), "--costs", "qemu-runs"]) == 0
    assert "closed form" in capsys.readouterr().out
    for wrong in (["--curve", str(path), "--dataset", "zipf"], ["--curve", str(tmp_path)],
                  ["--costs", "mine"]):  # fmt: skip
        assert main([*words, *wrong]) in (1, 2)
        assert len(capsys.readouterr().err.strip().splitlines()) == 1
    path.write_text("seconds,pages\n1,100\n0.1,500\n")
    assert main([*words, "--curve", str(path)]) == 2
    assert "curve.csv: seconds: must ascend" in capsys.readouterr().err


def test_checkpoints_cost_more_the_more_is_dirty():
    slow = dirtylab.checkpoint("1GiB", period="100ms", rate=1000, bandwidth="1Gbit/s")
    fast = dirtylab.checkpoint("1GiB", period="100ms", rate=10**6, bandwidth="1Gbit/s")
    assert slow.keeps_up
    assert not fast.keeps_up
    assert slow.pause < fast.pause
    assert 0 < slow.lost < fast.lost < 1
    assert slow.dirty == pytest.approx(100, rel=0.01)
    assert slow.bytes_per_second == pytest.approx(slow.dirty * 4104 / (0.1 + slow.pause))
    assert "does not keep up" in str(fast)
    still = dirtylab.checkpoint("1GiB", period=1, rate=0, bandwidth=1, tracker="none")
    assert (still.dirty, still.harvest, still.keeps_up) == (0, 0, True)


@pytest.mark.parametrize(
    ("changed", "named"),
    [({"period": 0}, "period"), ({"bandwidth": 0}, "bandwidth"), ({"working_set": 101}, "work"),
     ({"tracker": "mine"}, "tracker"), ({"dataset": "x"}, "dataset"), ({"rate": -1}, "rate"),
     ({"costs": "x"}, "costs")],
)  # fmt: skip
def test_what_cannot_be_checkpointed_is_refused_in_one_line(changed, named):
    with pytest.raises(ValueError, match=f"^{named}") as caught:
        dirtylab.checkpoint(100, **{"period": 1, "bandwidth": "1MB/s", **changed})
    assert "\n" not in str(caught.value)


def test_the_command_tells_checkpoints(capsys):
    words = ["checkpoint", "--pages", "1GiB", "--period", "100ms", "--rate", "1k", "--bandwidth",
             "1Gbit/s", "--tracker", "tree64"]  # fmt: skip
    assert main(words) == 0
    assert "keeps up" in capsys.readouterr().out
    assert main([*words, "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["keeps_up"] is True


@pytest.mark.skipif(shutil.which("cc") is None, reason="no C compiler")
def test_a_native_tracker_tracks_a_migration_and_checkpoints(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    path = str(tmp_path / "mine.c")
    assert main(["tracker", "new", path]) == 0
    one = dirtylab.migrate("64MiB", rate=1000, tracker=path, bandwidth="100MB/s", limit=5)
    assert one.converges
    assert path in str(one)
    often = dirtylab.checkpoint(
        "64MiB", period="100ms", rate=1000, bandwidth="1Gbit/s", tracker=path
    )
    assert often.harvest > 0
