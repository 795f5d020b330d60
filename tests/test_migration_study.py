"""The study of real migrations: a fit finds known costs, runs are judged, figures say so."""

import json
import math

import numpy as np
import pytest
from slow import slow

from dirtylab._data import data_file
from dirtylab.cli import main
from dirtylab.migration.border import Link
from dirtylab.migration.costs import Costs, costs_of, read_costs, recorded_costs
from dirtylab.migration.tracking import tracking
from dirtylab.studies.migrations import figures, fit, judge, report
from dirtylab.studies.migrations.runs import COLUMNS, read_runs

TABLE = data_file("measured/migrations/qemu_runs.csv")


@pytest.fixture(scope="module")
def runs():
    return read_runs(TABLE)


def invented(runs, costs):
    """Return runs as a machine with these costs would have made them."""
    made = []
    for one in judge.prepare(runs):
        found = judge.expected(one, costs)
        made.append(one.run._replace(
            converged=found.converges, seconds=found.seconds, downtime=found.downtime,
            syncs=float(found.syncs), sent_bytes=found.sent_bytes,
        ))  # fmt: skip
    return made


@pytest.fixture(scope="module")
def known(runs):
    costs = costs_of(None)._replace(
        page_bytes=4200, zero_bytes=11, fixed_bytes=90_000, page_s=3e-6, new_page_s=8e-6,
        zero_s=4e-7, stop_s=6e-3, first_write_s=3.5e-6,
    )  # fmt: skip
    # The small ones: a fit makes some 60 passes over them.
    some = [run for run in runs if run.converged and run.asked.working_set <= 16_384
            and run.asked.pages <= 2**18 and run.syncs < fit.LUCKY]  # fmt: skip
    slow = [run for run in runs if run.name in ("A2", "A3", "F0")]
    return costs, invented([*some, *slow], costs)


@slow
@pytest.mark.large
def test_a_fit_finds_costs_that_are_known(known):
    costs, made = known
    found = fit.fit_costs(judge.prepare(made))
    for name in ("page_bytes", "zero_bytes", "fixed_bytes"):
        assert getattr(found, name) == getattr(costs, name)
    for name in ("new_page_s", "zero_s", "stop_s"):
        assert getattr(found, name) == pytest.approx(getattr(costs, name), rel=0.25), name
    told = judge.judged(made, found)
    assert told.right == told.runs
    assert told.median < 0.02
    assert told.bytes_median < 0.01


@pytest.mark.parametrize("window", [0.05, 0.1, 0.1000001, 0.15])
def test_windows_of_any_length_end(runs, window):
    costs = costs_of(None)._replace(window_s=window)
    one = next(run for run in runs if run.name == "A8")
    found = judge.expected(judge.prepare([one])[0], costs)
    assert found.converges
    assert found.seconds > 1


def test_too_few_runs_are_refused(runs):
    with pytest.raises(ValueError, match=r"^runs: 1 converged; must be 9 or more"):
        fit.fit_costs(judge.prepare([run for run in runs if run.converged][:1]))
    busy = [run for run in runs if run.converged and run.asked.dataset != "idle"]
    with pytest.raises(ValueError, match=r"^runs: those of idle guests are too few"):
        fit.fit_costs(judge.prepare(busy[:12]))


def test_runs_are_judged_by_what_was_recorded(known):
    costs, made = known
    exact = judge.judged(made, costs)
    assert (exact.right, exact.wrong, exact.median) == (len(made), (), 0)
    slow = [run._replace(seconds=1.25 * run.seconds) for run in made]
    assert judge.judged(slow, costs).median == pytest.approx(0.2)
    lost = [made[0]._replace(converged=False), *made[1:]]
    assert judge.judged(lost, costs).wrong == (made[0].name,)
    simple = judge.judged_simpler(made, costs)
    assert list(simple) == ["textbook", "closed form"]
    assert math.isnan(simple["textbook"].bytes_median)


def test_shipped_costs_are_fitted_and_were_judged_on_other_runs():
    entry = recorded_costs()["qemu-runs"]
    assert entry["fitted_on"] == "qemu_runs.csv"
    told = entry["judged"]["simulation"]
    assert told["runs"] == 80
    assert told["right"] / told["runs"] >= 0.97
    assert told["median"] <= 0.03
    assert told["most"] <= 0.1
    assert told["bytes_median"] <= 0.01
    simpler = entry["judged"]
    assert simpler["textbook"]["median"] > simpler["closed form"]["median"] > told["median"]


def test_costs_may_come_from_a_file(tmp_path):
    path = tmp_path / "costs.json"
    fit.keep(path, "mine", recorded_costs()["qemu-runs"])
    assert costs_of(str(path)) == costs_of("qemu-runs")
    fit.keep(path, "other", recorded_costs()["qemu-runs"])
    assert list(read_costs(path)) == ["mine", "other"]
    with pytest.raises(ValueError, match="must tell the costs of one machine, not 2"):
        costs_of(str(path))
    words = ["migrate", "--pages", "64MiB", "--bandwidth", "1GB/s", "--dataset", "idle", "--costs"]
    assert main([*words, str(tmp_path / "none.json")]) == 1


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"page_s": -1.0}, "page_s"),
        ({"page_bytes": 1.5}, "page_bytes"),
        ({"stop_s": "x"}, "stop_s"),
    ],
)
def test_a_file_of_costs_that_cannot_be_is_refused(tmp_path, change, told):
    entry = json.loads(json.dumps(recorded_costs()["qemu-runs"]))
    entry["costs"].update(change)
    path = tmp_path / "costs.json"
    path.write_text(json.dumps({"mine": entry}))
    with pytest.raises(ValueError, match=rf"costs\.json: mine\.costs\.{told}: must be"):
        read_costs(path)


def test_the_command_fits(tmp_path, monkeypatch, capsys):
    made = recorded_costs()["qemu-runs"]
    monkeypatch.setattr(fit, "entry", lambda runs, name, report: {**made, "runs": len(runs)})
    words = ["migrations", "--out", str(tmp_path), "--fit"]
    assert main([*words, str(TABLE)]) == 0
    assert "qemu-runs" in capsys.readouterr().out
    assert read_costs(tmp_path / "costs.json")["qemu-runs"]["runs"] == 80
    assert main(words) == 1, "no recording there"
    broken = tmp_path / "runs.csv"
    broken.write_text(",".join(COLUMNS) + "\n")
    assert main([*words, str(tmp_path)]) == 1


def test_a_tracker_changes_the_verdict_of_fast_guests_on_fast_links():
    costs = costs_of(None)
    link = Link(25e9 / 8, 0.3, costs, tracking("kvm-log", "random", {}, 2**18, costs))
    found = figures.verdicts("random", [2**22], [1e3, 1e8], link)
    assert found.tolist() == [[figures.ENDS, figures.SLOWED]]
    slow = figures.verdicts("random", [2**22], [1e3, 1e8], link._replace(bandwidth=1e9 / 8))
    assert slow.tolist() == [[figures.ENDS, figures.NEVER]]


def test_figures_and_tables_say_what_the_data_say(known):
    costs, made = known
    picture = figures.verdict_map_picture()
    assert "25 Gbit/s" in picture.alt
    right = figures.how_right_picture(made[:12], None)
    assert right.alt.startswith("Expected over recorded total times of 12 runs")
    table = report.costs_table()
    assert set(Costs._fields) == set(report._COST_WORDS)
    assert "qemu-runs" in table
    assert report.right_table().count("\n") == 1 + 3 * len(recorded_costs())
    assert np.isfinite(costs.page_s)
