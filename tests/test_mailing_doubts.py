"""Careful rows that are not to be believed: they are told, and measured longer."""

import numpy as np
import pytest

from dirtylab.studies.mailing_list import report, runs
from dirtylab.studies.mailing_list.doubts import CONTROL, MOST, REFERENCE, doubts
from dirtylab.studies.mailing_list.rows import STRUCTURES, posted_rows
from dirtylab.studies.mailing_list.samples_index import SamplesIndex

ROUNDS = 25


def quiet(seed=1, rounds=ROUNDS):
    rng = np.random.default_rng(seed)
    names = (*STRUCTURES, CONTROL, REFERENCE)
    return {name: list(1000 * rng.lognormal(0, 0.03, rounds)) for name in names}


def test_a_quiet_machine_raises_no_doubts():
    found = [line for seed in range(200) for line in doubts(quiet(seed))]
    assert len(found) <= 3


def test_the_same_twice_must_cost_the_same():
    samples = quiet()
    samples[CONTROL] = [1.3 * ns for ns in samples[CONTROL]]
    (line,) = doubts(samples)
    assert "the tree measured twice differs by a ratio of 0.7" in line


@pytest.mark.parametrize("name", STRUCTURES)
def test_times_that_rise_are_told(name):
    samples = quiet()
    samples[name] = [ns * (1 + 0.02 * number) for number, ns in enumerate(samples[name])]
    told = list(doubts(samples))
    assert any(line.startswith(f"{name}: times rose") for line in told)


def test_neighbours_are_told():
    samples = quiet()
    samples[REFERENCE] = [
        ns * (1 if number % 5 else 0.5) for number, ns in enumerate(samples[REFERENCE])
    ]
    assert any("the machine was busy" in line for line in doubts(samples))
    samples = quiet()
    samples[REFERENCE][:5] = [1.25 * ns for ns in samples[REFERENCE][:5]]
    assert any("speed changed" in line for line in doubts(samples))


def test_what_was_not_checked_is_not_judged():
    samples = quiet()
    del samples[REFERENCE]
    assert list(doubts(samples)) == []


def test_a_row_in_doubt_gets_more_rounds(monkeypatch):
    row = posted_rows()[0]._replace(pages=4104, dirty=50)
    for answers, wanted in (([False], 1), ([True, False], 2), ([True] * 9, MOST)):
        told = iter(answers)
        monkeypatch.setattr(runs, "doubts", lambda _, told=told: ["x"] if next(told) else [])
        records = runs.measured_records(row, 3, np.random.default_rng(0))
        careful = [one for one in records if one["method"] == runs.CAREFUL]
        assert len(careful) == wanted * 3 * 5
        for name in (*STRUCTURES, CONTROL, REFERENCE):
            repeats = [one["repeat"] for one in careful if one["structure"] == name]
            assert repeats == list(range(3 * wanted))


def test_a_row_that_took_long_gets_no_more_rounds(monkeypatch):
    row = posted_rows()[0]._replace(pages=4104, dirty=50)
    monkeypatch.setattr(runs, "doubts", lambda _: ["x"])
    monkeypatch.setattr(runs, "MOST_SECONDS", 0.0)
    records = runs.measured_records(row, 3, np.random.default_rng(0))
    assert sum(one["method"] == runs.CAREFUL for one in records) == 3 * 5


def index_of(samples):
    row = posted_rows()[0]
    records = [
        runs.record(row, runs.CAREFUL, name, repeat, ns, 1)
        for name, several in samples.items()
        for repeat, ns in enumerate(several)
    ]
    cold = [runs.record(row, runs.AS_POSTED, name, 0, 1000.0, 1) for name in STRUCTURES]
    return row, SamplesIndex([*runs.posted_records(row), *cold, *records])


def test_the_table_tells_doubts_and_intervals_of_ratios():
    samples = quiet()
    row, index = index_of(samples)
    assert index.doubts(row) == []
    text = report.text_table(index)
    assert "in doubt" not in text
    (line,) = [one for one in text.splitlines() if "95 % interval" in one]
    assert line.count("–") == 3
    samples[CONTROL] = [2 * ns for ns in samples[CONTROL]]
    row, index = index_of(samples)
    assert "in doubt: the tree measured twice differs" in report.text_table(index)
    assert "in doubt: the tree measured twice differs" in report.markdown_table(index)
