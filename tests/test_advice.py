"""Models, their trial, and the advice that follows from them."""

import json
import pathlib
from typing import Any

import numpy as np
import pandas as pd
import pytest
from slow import slow

import dirtylab
from dirtylab import cli
from dirtylab._caches import CACHES
from dirtylab.advice import calibration
from dirtylab.advice.advisor import advise
from dirtylab.advice.calibration import calibrate, calibrated, design, shipped_model
from dirtylab.advice.model import Model, ModelError, fit_model
from dirtylab.advice.validation import Trial, regrets, trial_of
from dirtylab.measure.machine import describe_machine
from dirtylab.theory.cost_fit import Error, Law
from dirtylab.theory.features import Subject, features
from dirtylab.theory.memory import structure_bytes
from dirtylab.theory.operations import Pattern

MACHINE = {**describe_machine(), "cpu": "a test", "caches": {}}
NO_ERROR = Error(0.0, 0.0)


def law(**coefficients: float) -> Law:
    return Law({name.replace("_", " "): coefficient for name, coefficient in coefficients.items()},
               NO_ERROR, NO_ERROR, 10)  # fmt: skip


@pytest.fixture
def simple() -> Model:
    """A list of 10 ns a frame, a bitmap of 1 ns a word: they meet at a tenth of the words."""
    return Model(
        {
            ("list", "insert"): law(call=1.0),
            ("list", "harvest"): law(call=1.0, frames=10.0),
            ("bitmap", "insert"): law(call=1.0),
            ("bitmap", "harvest"): law(call=1.0, words=1.0),
        },
        MACHINE,
        trial=Trial(10, Error(0.05, 0.2), 0.0, 0.1, (10**5, 10**8)),
    )


@pytest.mark.parametrize(("dirty", "pick"), [(900, "list"), (1100, "bitmap")])
def test_the_cheaper_one_is_advised(simple: Model, dirty: int, pick: str) -> None:
    assert advise(640_000, dirty, model=simple).pick == pick


def test_the_nearest_crossover_is_found_on_both_axes(simple: Model) -> None:
    found = {one.axis: one for one in advise(640_000, 500, model=simple).changes}
    assert found["dirty"].other == "bitmap"
    assert found["dirty"].at == pytest.approx(1000, rel=0.02)
    assert found["dirty"].factor == pytest.approx(2.0, rel=0.02)
    assert found["pages"].at == pytest.approx(320_000, rel=0.02)


def test_a_memory_limit_puts_the_others_last_and_an_impossible_one_is_refused(
    simple: Model,
) -> None:
    advice = advise(640_000, 50_000, memory_limit=100_000, model=simple)
    assert [one.allowed for one in advice.ranking] == [True, False]
    assert advice.pick == "bitmap"
    advice = advise(640_000, 900, memory_limit=10_000, model=simple)
    assert advice.pick == "list"
    assert "above the memory limit" in str(advice)
    with pytest.raises(ValueError, match=r"memory_limit=100: no structure.*3\.52 KiB"):
        advise(640_000, 900, memory_limit=100, model=simple)


def test_memory_is_what_the_structures_would_take(simple: Model) -> None:
    for one in advise(640_000, 900, model=simple).ranking:
        capacity = {"capacity": 900} if one.structure == "list" else {}
        made = dirtylab.STRUCTURES[one.structure](640_000, **capacity)
        assert one.nbytes == made.nbytes == structure_bytes(one.structure, 640_000, **capacity)


def test_a_period_gives_shares_and_says_when_it_is_too_short(simple: Model) -> None:
    assert "of period" in str(advise(640_000, 500, period="1ms", model=simple))
    short = advise(640_000, 500, period="1us", model=simple)
    assert any("longer than the period" in note for note in short.notes)


def test_it_says_what_is_too_close_and_what_was_not_calibrated(simple: Model) -> None:
    assert any("choose either" in note for note in advise(640_000, 998, model=simple).notes)
    far = advise(2**34, 5, model=simple)
    assert sum("outside of what was calibrated" in note for note in far.notes) == 2


def test_the_text_states_regret_and_machine(simple: Model) -> None:
    text = str(advise(640_000, 500, model=simple))
    assert "0.0 % more than the best in the median and 10 % at worst" in text
    assert "a test" in text


@pytest.mark.parametrize(
    ("wrong", "named"),
    [
        ({"pages": 0}, "pages=0"),
        ({"pages": 1.5}, "pages"),
        ({"dirty": 0}, "dirty=0"),
        ({"dirty": 2.5}, "dirty"),
        ({"dirty": float("nan")}, "dirty"),
        ({"dataset": "tree"}, "dataset='tree'"),
        ({"dataset": "trace"}, "dataset='trace'"),
        ({"length": 3}, "length"),
        ({"period": "soon"}, "period='soon'"),
        ({"memory_limit": "2 bags"}, "memory_limit='2 bags'"),
        ({"dirty": 1001, "replacement": False}, "dirty=1001"),
    ],
)
def test_bad_questions_are_refused_by_name(
    simple: Model, wrong: dict[str, Any], named: str
) -> None:
    with pytest.raises((ValueError, TypeError), match=f"^{named}"):
        advise(**{"pages": 1000, "dirty": 10, "model": simple, **wrong})


def test_the_machines_own_model_is_used_and_else_the_shipped_one(
    simple: Model, monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    fallen_back = advise(640_000, 500)
    assert not fallen_back.own_calibration
    assert "not calibrated here" in str(fallen_back)
    path = calibration.model_path()
    assert tmp_path in path.parents
    path.parent.mkdir()
    simple.save(path)
    own = advise(640_000, 500)
    assert own.own_calibration
    assert "calibrated on this machine" in str(own)


def test_a_model_survives_the_disk(simple: Model, tmp_path: pathlib.Path) -> None:
    simple.save(tmp_path / "model.json")
    again = Model.load(tmp_path / "model.json")
    assert (again.laws, again.machine, again.trial) == (simple.laws, simple.machine, simple.trial)


@pytest.mark.parametrize(
    "text", ["", "[]", "{}", '{"format": 0, "machine": {}, "laws": [], "reference_ns": 1}']
)
def test_a_file_that_holds_no_model_says_what_to_do(text: str, tmp_path: pathlib.Path) -> None:
    (tmp_path / "model.json").write_text(text)
    with pytest.raises(ModelError, match="run dirtylab calibrate"):
        Model.load(tmp_path / "model.json")


@pytest.mark.parametrize("cache", CACHES)
def test_the_shipped_model_knows_all_and_keeps_its_promises(cache: str) -> None:
    model = shipped_model(cache)
    assert model.cache == cache
    assert set(model.structures) == {
        "list", "bitmap", "tree8", "tree16", "tree32", "tree64", "hybrid",
    }  # fmt: skip
    assert model.trial is not None
    assert model.trial.error.median <= 0.15
    assert model.trial.error.high <= 0.40
    assert model.trial.median_regret <= 0.03
    assert model.trial.worst_regret <= 0.50
    assert model.trial.cells >= 60
    times = [
        model.predict(name, "epoch", "random", 10_000_000, [100, 10**6])
        for name in model.structures
    ]
    assert (np.diff(times) > 0).all()


def test_regret_is_the_picks_cost_over_the_bests() -> None:
    cells = pd.DataFrame(
        {
            "structure": ["list", "bitmap"] * 2,
            "operation": "epoch",
            "dataset": "random",
            "pages": 10**6,
            "dirty": [10, 10, 20, 20],
            "ns": [100.0, 150.0, 200.0, 300.0],
            "predicted": [160.0, 150.0, 200.0, 300.0],
            "error": [0.6, 0.0, 0.0, 0.0],
        }
    )
    assert regrets(cells)["regret"].tolist() == [0.5, 0.0]
    trial = trial_of(cells)
    assert (trial.cells, trial.median_regret, trial.worst_regret) == (2, 0.25, 0.5)
    assert Trial.from_dict(json.loads(json.dumps(trial.as_dict()))) == trial


def synthetic(coefficients: dict[str, float], rng: np.random.Generator) -> pd.DataFrame:
    """Return samples of a bitmap whose harvest costs exactly so much, but for 2 % of noise."""
    rows = []
    for number, cell in enumerate(design(120, seed=5)):
        own = {f"dataset_{name}": value for name, value in cell.options}
        pattern = Pattern(cell.dataset, cell.pages, np.array(float(cell.dirty)), dict(cell.options))
        work = features(Subject("bitmap", {}, (32768, 2**20, 2**25)), "harvest", pattern).always
        ns = sum(coefficient * float(work[name]) for name, coefficient in coefficients.items())
        speed = 1.0 if number % 2 else 2.0
        facts = {
            "structure": "bitmap", "operation": "harvest", "dataset": cell.dataset, **own,
            "pages": cell.pages, "dirty": cell.dirty, "control": False,
            "reference_ns": speed * 100.0, "held_out": number % 5 == 0,
        }  # fmt: skip
        rows += [{**facts, "ns": speed * ns * rng.lognormal(0, 0.02)} for _ in range(3)]
    return pd.DataFrame(rows)


def test_known_prices_are_found_whatever_the_machines_speed() -> None:
    coefficients = {"call": 900.0, "words": 0.2, "dirty words": 3.0, "distinct": 0.5}
    table = synthetic(coefficients, np.random.default_rng(3))
    slow = table["reference_ns"] == table["reference_ns"].max()
    model = fit_model(table, MACHINE)
    # Half of the rows were measured at half the speed: times are for the median one.
    scale = model.reference_ns / 100.0
    pattern = Pattern("random", 5_000_000, np.array([1e3, 1e5]), {})
    work = features(Subject("bitmap", {}, (32768, 2**20, 2**25)), "harvest", pattern).always
    expected = scale * sum(coefficient * work[name] for name, coefficient in coefficients.items())
    assert slow.any()
    np.testing.assert_allclose(model.times("bitmap", "harvest", pattern), expected, rtol=0.1)


def test_a_calibration_leaves_busy_samples_out_and_tries_itself_on_other_cells() -> None:
    table = synthetic({"call": 900.0, "words": 0.2}, np.random.default_rng(4))
    table["reference_ns"] = 100.0
    table.loc[::7, ["ns", "reference_ns"]] *= 50.0
    epochs = table[table["held_out"]].assign(operation="epoch", structure="bitmap")
    inserts = table.assign(operation="insert", ns=1000.0)
    found = calibrated(pd.concat([table, inserts, epochs], ignore_index=True), MACHINE)
    assert found.model.trial is not None
    assert found.model.trial.error.median < 0.05
    cells = set(zip(found.held_out["pages"], found.held_out["dirty"], strict=True))
    fitted = table[~table["held_out"]]
    assert not cells & set(zip(fitted["pages"], fitted["dirty"], strict=True))


def test_designs_cover_the_space_and_differ_by_seed() -> None:
    cells = design(256, seed=1)
    pages = np.log10([cell.pages for cell in cells])
    assert pages.min() < 5 < 7.8 < pages.max()
    assert {cell.dataset for cell in cells} == {"random", "clustered", "sequential", "strided"}
    assert all(10 <= cell.dirty <= cell.pages for cell in cells)
    assert not set(cells) & set(design(256, seed=2))


@pytest.mark.parametrize("seconds", [0, 9.9, 3601, float("nan"), "soon"])
def test_a_calibration_without_time_is_refused(seconds: Any) -> None:
    with pytest.raises((ValueError, TypeError), match=r"^seconds"):
        calibrate(seconds)


def run(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    status = cli.main(words)
    told = capsys.readouterr()
    return status, told.out, told.err


def test_the_command_advises_in_text_and_json(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    question = ["advise", "--pages", "10M", "--dirty", "0.001", "--dataset", "clustered:length=64"]
    status, out, _ = run(capsys, *question, "--period", "100ms", "--memory-limit", "2MiB")
    assert status == 0
    assert "10,000 frames, clustered length=64, in a slot of 10,000,000 pages (38.1 GiB)" in out
    status, out, _ = run(capsys, *question, "--json")
    found = json.loads(out)
    assert status == 0
    assert found["pick"] == found["ranking"][0]["structure"]
    assert found["trial"]["cells"] >= 60
    assert found["cache"] == "guest-ran"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("--pages", "10M", "--dirty", "0"), "argument --dirty: '0': must be 1 … "),
        (("--pages", "1k", "--dirty", "10", "--dataset", "cluster"), "dataset='cluster'"),
        (("--pages", "1k", "--dirty", "10", "--memory-limit", "1"), "memory_limit"),
        (("--pages", "1k..1M", "--dirty", "10"), "must be one number"),
    ],
)
def test_the_command_refuses_with_one_line(
    capsys: pytest.CaptureFixture[str], words: tuple[str, ...], told: str
) -> None:
    try:
        status, _, err = run(capsys, "advise", *words)
    except SystemExit as stop:
        status, err = int(str(stop.code)), capsys.readouterr().err
    assert status == 2
    assert told in err
    assert "Traceback" not in err


@slow
def test_the_calibration_command_writes_a_model_that_advises(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: pathlib.Path
) -> None:
    small = [
        one for one in calibration.planned(1024) if one[0].dirty < 2_000 and one[0].pages < 10**6
    ]
    monkeypatch.setattr(calibration, "planned", lambda *_, **__: small)
    status, out, err = run(capsys, "calibrate", "--seconds", "16", "--out", str(tmp_path))
    assert status == 0, err
    assert "held-out cells" in out
    model = Model.load(tmp_path / "model-guest-ran.json")
    assert advise(1_000_000, 100, model=model).pick == "list"
    held_out = pd.read_csv(tmp_path / "held_out-guest-ran.csv")
    assert {"structure", "operation", "ns", "predicted", "error"} <= set(held_out)
