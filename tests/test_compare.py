"""The comparison with peers: small, but all of it."""

import json

import numpy as np
import pytest

from dirtylab import cli
from dirtylab.structures import tuned
from dirtylab.studies.peers import libraries as peers
from dirtylab.studies.peers import record as peers_record
from dirtylab.studies.peers import report as peers_report


@pytest.fixture
def small(monkeypatch):
    """Shrink the comparison to a size that takes no time."""
    monkeypatch.setattr(peers_record, "PAGES", 4097)
    monkeypatch.setattr(peers_record, "DENSITIES", (0.001, 0.5))
    monkeypatch.setattr(peers_record, "BATCHES", (10, 3000))
    monkeypatch.setattr(peers_record, "DIRTY", (10, 3000))


@pytest.mark.parametrize("name", peers.PEERS)
@pytest.mark.parametrize("frames", [[], [5], [7, 3, 7, 4096, 0], list(range(4097))])
def test_every_peer_does_the_same_job(name, frames):
    if name not in peers.available():
        pytest.skip(f"{name} is not installed")
    epoch = peers.PEERS[name](4097)
    for _ in range(2):
        found = epoch(np.array(frames, np.uint64))
        assert found.tolist() == sorted(set(frames))


def test_the_comparison_prints_and_writes_every_cell(small, capsys, tmp_path):
    assert cli.main(["compare", "--repeats", "2", "--out", str(tmp_path)]) == 0
    printed = capsys.readouterr().out
    for text in ("Collect, as a multiple of copying", "Insert, as a multiple", "Whole epoch"):
        assert text in printed
    records, machine = peers_report.load(tmp_path)
    assert machine["cpu"]
    cells = {(r["operation"], r["pattern"], r["dirty"]) for r in records}
    assert cells == {tuple(cell) for cell in peers_record.cells()}
    assert len(cells) == 2 + 2 + 3 * 2
    candidates = {r["contestant"] for r in records if r["operation"] == "epoch"}
    assert candidates == {*tuned(), *peers.available()}
    assert all(r["ns"] > 0 for r in records)
    by_python = {r["contestant"] for r in records if r["through"] == "python"}
    assert by_python == set(peers.available())


def test_nothing_counts_when_a_candidate_returns_other_frames(small, monkeypatch):
    monkeypatch.setitem(peers.PEERS, "numpy sort", lambda pages: lambda frames: frames[:1])
    with pytest.raises(AssertionError, match="numpy sort returned other frames"):
        peers_record.measure(
            peers_record.ComparisonCell("epoch", "random", 10), 1, np.random.default_rng(0)
        )


@pytest.mark.parametrize("operation", ["collect", "insert", "epoch"])
def test_a_structure_that_forgets_a_frame_is_found_out(small, monkeypatch, operation):
    class Forgetful(peers_record.STRUCTURES["bitmap"]):
        def _insert(self, frames):
            super()._insert(frames[1:])

    monkeypatch.setitem(peers_record.STRUCTURES, "bitmap", Forgetful)
    with pytest.raises(AssertionError, match="bitmap returned other frames"):
        peers_record.measure(
            peers_record.ComparisonCell(operation, "random", 10), 1, np.random.default_rng(0)
        )


def test_ctrl_c_keeps_the_cells_already_measured(small, monkeypatch, capsys, tmp_path):
    whole = peers_record.measure

    def interrupted_at_the_first_insert(cell, repeats, rng):
        if cell.operation == "insert":
            raise KeyboardInterrupt
        return whole(cell, repeats, rng)

    monkeypatch.setattr(peers_record, "measure", interrupted_at_the_first_insert)
    assert cli.main(["compare", "--repeats", "2", "--out", str(tmp_path)]) == 130
    assert "interrupted; the cells measured are kept" in capsys.readouterr().err
    records, _ = peers_report.load(tmp_path)
    assert {r["operation"] for r in records} == {"collect"}


def test_ratios_are_of_medians():
    cell = {"operation": "collect", "pattern": "random", "dirty": 10, "pages": 64}
    samples = {"copy": [1.0, 2.0, 9.0], "bitmap": [6.0, 6.0, 60.0]}
    records = [
        {**cell, "contestant": name, "repeat": repeat, "ns": ns}
        for name, values in samples.items()
        for repeat, ns in enumerate(values)
    ]
    table = peers_report.ratios(records, "collect", "copy")
    assert table.loc[("random", 10), "bitmap"] == 3
    assert "| random | 10 | 3.00 |" in peers_report.markdown(table)


def test_a_bad_number_of_repeats_is_named(capsys):
    assert cli.main(["compare", "--repeats", "0"]) == 2
    assert "argument --repeats: '0': must be 1 … 1000000" in capsys.readouterr().err


def test_what_is_measured_is_valid_json(small, tmp_path):
    peers_report.save([], tmp_path)
    assert json.loads((tmp_path / "machine.json").read_text())["packages"]
