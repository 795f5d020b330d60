"""What the advisor knows of its own errors: a probe, ties, and extrapolation."""

import numpy as np
import pandas as pd
import pytest

from dirtylab import advise, cli
from dirtylab.advice.answer import CALIBRATED, UNTRIED_LEAD, lead_of, outside
from dirtylab.advice.calibration import shipped_model
from dirtylab.advice.model import Model
from dirtylab.advice.probe import Probe, probe
from dirtylab.advice.validation import Trial, trial_of
from dirtylab.theory.cost_fit import Error


def scaled(model, factor):
    """Return a model of a machine that is slower by a factor."""
    laws = {
        key: type(law).from_dict(
            {**law.as_dict(), "prices": {n: p * factor for n, p in law.as_dict()["prices"].items()}}
        )
        for key, law in model.laws.items()
    }
    return Model(laws, model.machine, model.reference_ns, model.trial)


def test_a_probe_tells_a_model_that_is_off():
    model = shipped_model("warm")
    here = probe(model)
    slower = probe(scaled(model, 20))
    assert slower.scale < here.scale / 5
    assert not slower.fits
    assert "dirtylab calibrate" in str(slower)
    assert here.least <= here.scale <= here.most
    assert here.spread >= 1


@pytest.mark.parametrize(
    ("given", "fits", "words"),
    [
        (Probe(1.1, 1.2, 0.9, 1.3), True, "it fits this machine"),
        (Probe(2.0, 1.2, 1.8, 2.3), False, "its picks should hold"),
        (Probe(1.0, 3.0, 0.4, 3.0), False, "its picks may be wrong"),
        (Probe(0.5, 1.1, 0.45, 0.55), False, "its picks should hold"),
    ],
)
def test_a_probe_in_words(given, fits, words):
    assert given.fits == fits
    assert words in str(given)


def test_the_command_probes_a_model_that_is_not_its_own(capsys, monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    words = ["advise", "--pages", "1M", "--dirty", "1%", "--cache", "warm"]
    assert cli.main(words) == 0
    assert "a quick probe" in capsys.readouterr().out
    assert cli.main([*words, "--no-probe"]) == 0
    assert "a quick probe" not in capsys.readouterr().out


def test_a_lead_within_the_error_is_a_tie():
    model = shipped_model()
    trial = model.trial or Trial(1, Error(0.1, 0.2), 0, 0, (1, 2))
    never = advise("10M", "1%", model=model.with_trial(trial._replace(lead=0.0)))
    always = advise("10M", "1%", model=model.with_trial(trial._replace(lead=1e6)))
    assert never.ties == ()
    assert len(always.ties) == sum(one.allowed and one.predicted for one in always.ranking) - 1
    assert always.as_dict()["ties"] == list(always.ties)
    assert any("a tie; choose either" in note for note in always.notes)
    assert lead_of(model.with_trial(trial._replace(lead=None))) == trial.error.median
    assert lead_of(Model({}, {})) == UNTRIED_LEAD


def test_the_error_of_a_lead_is_that_of_ratios():
    rows = [
        {"dataset": "random", "pages": 10**6, "dirty": dirty, "structure": name,
         "operation": "epoch", "ns": ns, "predicted": told, "error": 0.1}
        for dirty, both in ((10, ((100, 200), (110, 220))), (20, ((100, 100), (200, 220))))
        for name, (ns, told) in zip(("list", "bitmap"), both, strict=True)
    ]  # fmt: skip
    assert trial_of(pd.DataFrame(rows)).lead == pytest.approx(0.1 * 2 / 3, abs=0.01)
    apart = pd.DataFrame(rows).assign(predicted=lambda t: np.where(t["structure"] == "list", 1, 9))
    assert trial_of(apart).lead is None
    trial = Trial(3, Error(0.1, 0.2), 0.0, 0.1, (10, 20), 0.07)
    assert Trial.from_dict(trial.as_dict()) == trial
    old = {name: value for name, value in trial.as_dict().items() if name != "lead"}
    assert Trial.from_dict(old).lead is None


@pytest.mark.parametrize("axis", CALIBRATED)
def test_what_lies_beyond_the_calibration_is_told(axis):
    low, high = CALIBRATED[axis]
    assert not outside(axis, low)
    assert not outside(axis, high)
    assert outside(axis, low - 1)
    assert outside(axis, high + 1)
    assert not outside("length", 10**9)


def test_an_answer_beyond_the_calibration_is_marked():
    inside, beyond = advise("10M", "1%"), advise("64Gi", "1%")
    assert not inside.extrapolated
    assert beyond.extrapolated
    assert beyond.as_dict()["extrapolated"] is True
    assert ": extrapolated" in str(beyond).splitlines()[0]
    assert ": extrapolated" not in str(inside).splitlines()[0]
    for one in inside.changes:
        assert one.extrapolated == outside(one.axis, one.at)
