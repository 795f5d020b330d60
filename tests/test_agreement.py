"""Two recordings of the same program agree, and what disagrees is told."""

import numpy as np

from dirtylab.datasets.traces import recordings
from dirtylab.studies.live.agreement import (
    agreement,
    agreement_line,
    agreement_picture,
    recorded_twice,
    second_recording,
)
from dirtylab.studies.live.programs import WORKLOADS


def test_eight_programs_at_least_were_recorded_twice():
    twice = recorded_twice()
    assert len(twice) >= 8
    assert set(WORKLOADS) <= set(twice) <= set(recordings())
    for name in twice:
        trace = second_recording(name)
        assert trace.facts["name"] == name
        assert len(trace.epochs) > 20


def test_both_recordings_dirty_about_as_much():
    table = agreement().set_index(["trace", "take"])
    for name in recorded_twice():
        one, other = (table.loc[(name, take)] for take in (1, 2))
        assert 0.5 <= one["dirty"] / other["dirty"] <= 2, name
        assert 0.5 <= one["run"] / other["run"] <= 2, name
        assert (one["low"] <= one["dirty"]) & (one["dirty"] <= one["high"])
        assert abs(one["again"] - other["again"]) <= 0.35, name


def test_what_differs_is_told():
    table = agreement()
    line = agreement_line(table)
    assert "nan" not in line
    off = table.assign(dirty=np.where(table["take"] == 2, 3 * table["dirty"], table["dirty"]))
    assert line != agreement_line(off)
    assert line in agreement_picture().alt
