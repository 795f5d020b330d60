"""What a sweep says of itself: each remark provoked, and silence where all was well."""

import numpy as np
import pandas as pd
import pytest

from dirtylab.measure.quality import judge, remarks, rounds_needed
from dirtylab.measure.sweep import sweep

ROUNDS = 15
OWNERS = [("list", False), ("bitmap", False), ("list", True)]
OPERATIONS = ("insert", "harvest")


def table_of(rng, cells=6, rounds=ROUNDS, noise=0.05, level=20_000.0, change=None):
    """Return a sweep's table of a quiet machine; `change` alters its rows."""
    rows = [
        {
            "structure": structure, "operation": operation, "dataset": "random",
            "pages": 10**6, "dirty": 10 * (cell + 1), "repeat": repeat, "control": control,
            "ns": level * (1 + cell) * np.exp(noise * rng.standard_normal()),
            "reference_ns": 32_000 * np.exp(0.01 * rng.standard_normal()),
            "cache": "warm", "machine": "one",
        }
        for cell in range(cells)
        for repeat in range(rounds)
        for structure, control in OWNERS
        for operation in OPERATIONS
    ]  # fmt: skip
    table = pd.DataFrame(rows)
    if change is not None:
        change(table)
    return table


def samples(rng, rounds=ROUNDS, noise=0.05):
    return 20_000 * np.exp(noise * rng.standard_normal(rounds))


def steady(rounds=ROUNDS):
    return np.full(rounds, 32_000.0)


@pytest.fixture
def rng():
    return np.random.default_rng(2016)


# --- one candidate ------------------------------------------------------------------------------


def test_a_quiet_machine_gets_no_remark(rng):
    quality = judge(samples(rng), steady(), twice=(samples(rng), samples(rng)))
    assert quality.remarks == []
    assert quality.control.low < 1 < quality.control.high


@pytest.mark.parametrize("rounds", [5, 9, 15, 60])
def test_false_alarms_are_as_rare_as_promised(rng, rounds):
    trials = 400
    alarms = [
        judge(one, steady(rounds), twice=(one, two))
        for one, two in (samples(rng, (2, rounds)) for _ in range(trials))
    ]
    assert sum(one.drift_chance < 0.01 for one in alarms) <= 12
    assert sum(one.control_chance < 0.01 for one in alarms) <= 12


@pytest.mark.parametrize(("factor", "way"), [(1.3, "rose"), (1 / 1.3, "fell")])
def test_drift_is_said_with_its_direction(rng, factor, way):
    drifting = samples(rng) * np.geomspace(1, factor, ROUNDS)
    said = judge(drifting, steady()).remarks
    assert len(said) == 1
    assert said[0].startswith(f"times {way} with the rounds (rank correlation ")


def test_drift_that_the_machines_speed_explains_is_said_as_such(rng):
    slower = np.geomspace(1, 1.4, ROUNDS)
    said = judge(samples(rng) * slower, steady() * slower).remarks
    assert len(said) == 1
    assert said[0].startswith("the machine's speed changed by ")


TOO_FEW = "fewer than 6 rounds: too few to tell drift from noise"


def test_drift_is_told_with_the_fewest_rounds_that_are_judged():
    times = np.geomspace(1_000, 32_000, 6)
    quality = judge(times, steady(6), clock_step=1)
    assert quality.drift_chance == pytest.approx(2 / 720)
    assert quality.remarks == ["times rose with the rounds (rank correlation +1.00)"]
    assert judge(times[:5], steady(5), clock_step=1).remarks == [TOO_FEW]


@pytest.mark.parametrize(("cells", "rounds"), [(1, 6), (6, 7), (30, 8)])
def test_drift_of_a_sweeps_cell_is_told_with_the_fewest_rounds_that_are_judged(rng, cells, rounds):
    def drift(table):
        table.loc[some_cells(table, 1), "ns"] *= 2.0 ** table["repeat"]

    assert rounds_needed(cells) == rounds
    told = f"1 of {cells} cells rose or fell with the rounds"
    assert told in remarks(table_of(rng, cells=cells, rounds=rounds, change=drift))
    fewer = remarks(table_of(rng, cells=cells, rounds=rounds - 1, change=drift))
    assert f"{cells} of {cells} cells have {TOO_FEW.replace('6', str(rounds))}" in fewer


def test_the_same_candidate_twice_must_agree(rng):
    twice = (samples(rng) * 1.2, samples(rng))
    quality = judge(twice[0], steady(), twice=twice)
    _, low, high = quality.control
    assert 1 < low < 1.2 < high
    said = f"the same candidate twice differs by a ratio of {low:.2f} … {high:.2f}"
    assert quality.remarks == [said]


def test_few_rounds_tell_nothing_of_drift_or_control():
    quality = judge([1e4, 2e4, 3e4], steady(3), twice=([1e4] * 3, [5e4] * 3))
    assert quality.control == (pytest.approx(0.2), None, None)
    assert quality.remarks == [TOO_FEW]


@pytest.mark.parametrize(("factor", "percent"), [(1.3, "30 %"), (1.1, None)])
def test_a_change_of_speed_is_said(rng, factor, percent):
    speed = steady() * np.where(np.arange(ROUNDS) < ROUNDS // 2, 1, factor)
    said = judge(samples(rng) * speed, speed).remarks
    assert said == ([f"the machine's speed changed by {percent}"] if percent else [])


@pytest.mark.parametrize(("ns", "step", "share"), [(400, 50, 1.0), (400, 20, 0.0), (501, 50, 0.0)])
def test_samples_near_the_clocks_floor_are_said(ns, step, share):
    quality = judge(np.full(ROUNDS, float(ns)), steady(), clock_step=step)
    assert quality.near_floor == share
    assert quality.remarks == (["100 % of samples are near the clock's floor"] if share else [])


def test_equal_samples_are_no_trouble():
    same = np.full(ROUNDS, 1e4)
    assert judge(same, steady(), twice=(same, same)).remarks == []
    assert judge(same, steady(), twice=(same, 2 * same)).control_chance == 0


# --- a sweep -------------------------------------------------------------------------------------


@pytest.mark.parametrize(("noise", "cells"), [(0.005, 6), (0.05, 30), (0.3, 6)])
def test_a_quiet_sweep_gets_no_remark_however_many_cells_it_has(noise, cells):
    said = [
        remarks(table_of(np.random.default_rng(seed), cells=cells, rounds=9, noise=noise))
        for seed in range(8)
    ]
    assert sum(bool(one) for one in said) <= 1


def some_cells(table, number=2):
    return table["dirty"] <= 10 * number


def test_a_drifting_cell_is_counted(rng):
    def drift(table):
        table.loc[some_cells(table), "ns"] *= 1.02 ** table["repeat"]

    assert remarks(table_of(rng, change=drift)) == ["2 of 6 cells rose or fell with the rounds"]


def test_a_control_that_disagrees_is_counted_with_its_size(rng):
    def disturb(table):
        hit = table["control"] & (table["operation"] == "insert") & (table["dirty"] == 20)
        table.loc[hit, "ns"] *= 1.4

    (said,) = remarks(table_of(rng, change=disturb))
    assert said.startswith(
        "the same structure measured twice differs beyond noise in 1 of 12 cells and operations, "
        "by up to 1."
    )
    assert 1.3 < float(said.split()[-2]) < 1.5


def test_a_busy_machine_that_slows_the_one_more_than_the_other_is_found(rng):
    def busy(table):
        """Let somebody else have the machine half of the time, whenever the control is up."""
        disturbed = table["control"] & (rng.random(len(table)) < 0.7)
        table.loc[disturbed, "ns"] *= 2

    assert any("differs beyond noise" in line for line in remarks(table_of(rng, change=busy)))


def test_a_change_of_speed_within_a_cell_is_counted(rng):
    def slow(table):
        late = some_cells(table, 1) & (table["repeat"] >= 8)
        table.loc[late, ["ns", "reference_ns"]] *= 1.5

    assert remarks(table_of(rng, change=slow)) == [
        "1 of 6 cells saw the machine's speed change by more than 15 %"
    ]


def test_a_change_of_speed_from_cell_to_cell_is_said(rng):
    def slow(table):
        table.loc[~some_cells(table, 3), ["ns", "reference_ns"]] *= 1.3

    (said,) = remarks(table_of(rng, change=slow))
    assert said == "the machine's speed changed by 30 % from cell to cell"


def test_machines_of_different_speed_are_no_change(rng):
    def two(table):
        table.loc[~some_cells(table, 3), "machine"] = "two"
        table.loc[~some_cells(table, 3), ["ns", "reference_ns"]] *= 2

    assert remarks(table_of(rng, change=two)) == []


def test_the_clocks_floor_is_that_of_the_machine(rng):
    table = table_of(rng, level=800.0, noise=0.01)
    assert remarks(table) == []
    table.attrs["machines"] = {"one": {"clock_step_ns": 100}}
    assert remarks(table) == ["1 of 6 cells have samples near the clock's floor"]


def test_too_few_rounds_are_said(rng):
    table = table_of(rng, rounds=3)
    assert remarks(table) == [
        "6 of 6 cells have fewer than 7 rounds: too few to tell drift from noise"
    ]


def test_a_table_without_control_or_with_options_is_judged(rng):
    table = table_of(rng)
    assert remarks(table[~table["control"]]) == []
    table["structure_radix"] = np.where(table["structure"] == "list", "", "16")
    table["dataset_length"] = np.nan
    assert remarks(table) == []


def test_a_real_sweep_is_judged():
    table = sweep(
        structures=["list", ("tree", {"radix": 16})],
        datasets=["random", ("strided", {"stride": 3})],
        operations=["harvest"], pages=[4096], dirty=[9], repeats=6,
    )  # fmt: skip
    for line in remarks(table):
        assert " of 2 cells" in line or "speed changed" in line
