"""What a dirty page costs a guest, and checkpoints: measured in small, judged on what is known."""

import numpy as np
import pandas as pd
import pytest

from dirtylab.live.trackers import missing
from dirtylab.structures import STRUCTURES
from dirtylab.studies.live import checkpoint_loop, guest_costs, guest_report
from dirtylab.studies.live.guest_costs import COLUMNS, LOG, distinct, ring_name, totals
from dirtylab.studies.live.guest_figures import checkpoints_picture, guest_costs_picture
from dirtylab.studies.live.looks import KERNEL

kvm = pytest.mark.skipif(missing("kvm-ring") is not None, reason=str(missing("kvm-ring")))
MACHINE = {"cpu": "a test"}


@kvm
def test_a_guest_is_measured_with_every_tracker():
    rows = []
    for _, action in guest_costs.steps(rows, pages=[4096], dirty=[10, 1500], rounds=2):
        action()
    table = pd.DataFrame(rows)
    assert tuple(table.columns) == COLUMNS
    assert set(table["tracker"]) == set(guest_costs.trackers())
    assert set(table["pattern"]) == set(guest_costs.PATTERNS)
    assert (table[["first_ns", "harvest_ns"]] > 0).all(axis=None)
    small = table["tracker"] == ring_name(1_024)
    assert table["second_ns"].isna().tolist() == (small & (table["dirty"] > 1000)).tolist()
    assert (table["harvest_ns"] == table[["fetch_ns", "decode_ns", "release_ns"]].sum(axis=1)).all()
    assert (totals(table)["total_ns"] >= 1).all()
    assert (table.loc[small & (table["dirty"] > 1000), "exits"] >= 0).all()


@kvm
def test_frames_that_are_lost_are_noticed(monkeypatch):
    monkeypatch.setattr(
        guest_costs.Tracked, "harvest", lambda self: (np.zeros(1, np.uint64), [1, 1, 1])
    )
    ((_, action),) = guest_costs.steps([], pages=[4096], dirty=[10], patterns=["random"], rounds=1)
    with pytest.raises(AssertionError, match="returned other frames than were written"):
        action()


@kvm
def test_a_guest_is_checkpointed():
    rows = []
    for _, action in checkpoint_loop.steps(
        rows, pages=4096, working_sets=(50, 1500), periods_ms=(1, 2), least_s=0.01
    ):
        action()
    table = pd.DataFrame(rows)
    assert tuple(table.columns) == checkpoint_loop.COLUMNS
    found = guest_report.loops(table)
    assert len(found) == 2 * 2 * 3
    assert found["lost"].between(0, 1).all()
    assert (found["rate"] > 0).all()
    assert (found["dirty"] <= found["working_set"]).all()
    (size,) = set(found[found["working_set"] < 100]["dirty"])
    assert size == distinct("random", 4096, 50, 2016).size
    picture = checkpoints_picture(table, MACHINE)
    assert "the guest keeps" in picture.alt


def test_pages_are_copied_whole():
    from dirtylab.measure.clock import stopwatch

    memory = np.arange(8 * 512, dtype=np.uint64).reshape(8, 512)
    out = np.zeros((3, 512), np.uint64)
    frames = np.array([7, 0, 3], np.uint64)
    assert checkpoint_loop.copy_pages(memory, frames, out, stopwatch()) >= 0
    np.testing.assert_array_equal(out, memory[[7, 0, 3]])


def made(first=3000, second=50, log=(10_000, 20), ring=(500, 60)):
    """Return rows of a log and a ring of known costs: fixed and each page."""
    rng = np.random.default_rng(1)
    return pd.DataFrame(
        [
            {
                "tracker": name, "pattern": "random", "pages": pages, "dirty": dirty,
                "repeat": repeat, "first_ns": first * dirty * rng.lognormal(0, 0.001),
                "second_ns": second * dirty,
                "harvest_ns": (fixed * pages / 2**16 + each * dirty) * rng.lognormal(0, 0.001),
                "fetch_ns": 1, "decode_ns": 1, "release_ns": 1, "exits": 0,
            }
            for name, (fixed, each) in ((LOG, log), (ring_name(4_096), ring))
            for pages in (2**16, 2**20)
            for dirty in guest_costs.DIRTY
            for repeat in range(7)
        ]
    )  # fmt: skip


def test_the_total_is_first_writes_less_second_ones_and_the_harvest():
    table = totals(made(log=(0, 20)))
    log = table[table["tracker"] == LOG]
    np.testing.assert_allclose(log["total_ns"], (3000 - 50 + 20) * log["dirty"], rtol=0.01)


def test_where_log_and_ring_meet_is_found_in_the_total():
    table = made(first=60, second=50)
    (small, large) = guest_report.guest_crossovers(table, "random")
    assert small.at is not None
    assert small.at.low <= 9500 / 40 <= small.at.high
    assert large.at is not None
    assert large.at.at > 10 * small.at.at
    lines = list(guest_report.guest_lines(table))
    assert any("log and ring of 4,096 entries" in line for line in lines)
    assert "nan" not in " ".join(lines)
    text = guest_report.guest_table(table)
    assert text.count("\n") == 1 + 2 * 3
    by_period = guest_report.period_table(table)
    assert by_period.count("\n") == 1 + 2 * 2
    assert by_period.splitlines()[0].count("ms: log / ring") == 5
    picture = guest_costs_picture(table, MACHINE)
    assert "by KVM's log and rings" in picture.alt


def test_nothing_measured_is_nothing_said():
    empty = pd.DataFrame(columns=list(COLUMNS))
    assert list(guest_report.guest_lines(empty)) == []
    assert list(guest_report.checkpoint_lines(pd.DataFrame())) == []


def test_kernel_mechanisms_have_hues_of_their_own():
    from dirtylab.figures.style import look_of

    taken = {look_of(name).color for name in STRUCTURES}
    colors = [look.color for look in KERNEL.values()]
    assert len(set(colors)) == len(colors)
    assert not taken & set(colors)
