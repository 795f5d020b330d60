"""The crossover study: known crossovers are found, and winners predicted from them."""

import pathlib

import numpy as np
import pandas as pd
import pytest
from slow import slow

from dirtylab import cli
from dirtylab._caches import CACHES
from dirtylab.advice.calibration import shipped_model
from dirtylab.advice.machines import held_out_file, reference
from dirtylab.structures import posted, tuned
from dirtylab.studies.crossovers import record as crossovers_record
from dirtylab.studies.crossovers import report as crossovers_report
from dirtylab.studies.crossovers.judge import agreed, check, exponent, find_crossovers, named, pairs
from dirtylab.theory.crossover import Crossover


def synthetic(noise: float = 0.02, seed: int = 1) -> pd.DataFrame:
    """Return rounds of two structures that meet at 1 % of the pages, and of one far dearer."""
    rng = np.random.default_rng(seed)
    rows = [
        {
            "set": use, "operation": "epoch", "pattern": "random", "pages": pages,
            "dirty": dirty, "round": number,
            "list": 10.0 * dirty * rng.lognormal(0, noise),
            "bitmap": 0.1 * pages * rng.lognormal(0, noise),
            "tree8": 100.0 * pages * rng.lognormal(0, noise),
        }
        for use, shift in (("find", 0.0), ("try", 0.5))
        for pages in (10**5, 10**6, 10**7)
        for dirty in np.round(pages * 10 ** (np.arange(-16, 0) / 4 + shift / 4)).astype(int)
        for number in range(5)
    ]  # fmt: skip
    return pd.DataFrame(rows)


NAMES = ("list", "bitmap", "tree8")


def test_known_crossovers_are_found_and_those_that_are_not_there_are_not() -> None:
    found = find_crossovers(synthetic(), NAMES, ["epoch"])
    assert len(found) == 3 * len(pairs(NAMES))
    met = found[found["at"].notna()]
    assert set(zip(met["one"], met["other"], strict=True)) == {("list", "bitmap")}
    np.testing.assert_allclose(met["at"] / met["pages"], 0.01, rtol=0.05)
    assert ((met["low"] < met["at"]) & (met["at"] < met["high"])).all()
    never = found[found["at"].isna()]
    assert set(never["cheaper"]) == {"list", "bitmap"}


def test_a_fixed_density_is_told_from_a_fixed_number() -> None:
    found = find_crossovers(synthetic(), ("list", "bitmap"), ["epoch"])
    assert exponent(found) == pytest.approx(1.0, abs=0.03)
    assert exponent(found.assign(at=500.0)) == pytest.approx(0.0, abs=1e-6)
    assert np.isnan(exponent(found.iloc[:1]))


def test_winners_are_predicted_outside_the_intervals_and_a_wrong_crossover_is_caught() -> None:
    rounds = synthetic()
    found = find_crossovers(rounds, NAMES, ["epoch"])
    checked, cells = check(rounds, found, NAMES)
    assert checked.share == 1.0
    assert checked.cells + checked.between + checked.undecided == 3 * 3 * 16
    assert checked.undecided == 0
    assert set(cells.columns) >= {"predicted", "winner", "ratio", "right"}
    wrong = found.assign(at=found["at"] * 30, low=found["low"] * 30, high=found["high"] * 30)
    assert check(rounds, wrong, NAMES)[0].share < 0.95


def test_a_cell_whose_rounds_do_not_agree_has_no_winner() -> None:
    assert agreed(pd.Series([1.0, 2.0, 3.0]), pd.Series([2.0, 3.0, 4.0]))
    assert agreed(pd.Series([1.0, 1.01, 1.0]), pd.Series([1.0, 1.0, 1.01]))
    assert not agreed(pd.Series([1.0, 2.0, 3.0]), pd.Series([2.0, 3.0, 2.0]))
    rounds = synthetic()
    found = find_crossovers(rounds, NAMES, ["epoch"])
    torn = (rounds["set"] == "try") & (rounds["round"] == 0) & (rounds["pages"] == 10**6)
    rounds.loc[torn, "tree8"] = 1.0
    checked, _ = check(rounds, found, NAMES)
    assert checked.undecided == 2 * 16
    assert checked.share == 1.0


def test_a_crossover_is_named_in_words() -> None:
    assert named(Crossover(943.2, 891.0, 1012.0, True), "list", "bitmap", 10_000) == (
        "list beats bitmap below 943 dirty frames (891–1,010), 9.4 % of the pages"
    )
    text = named(Crossover(50.0, 0.0, np.inf, False), "list", "bitmap", 10_000)
    assert text.startswith("bitmap beats list below 50")
    assert "(anywhere in what was tried)" in text


def test_the_grid_of_the_study_keeps_what_is_tried_apart() -> None:
    for find, tried in zip(
        crossovers_record.parts()[::2], crossovers_record.parts()[1::2], strict=True
    ):
        assert (find.use, tried.use) == ("find", "try")
        assert find.pages == tried.pages
        assert not set(find.dirty) & set(tried.dirty)
        assert max(find.dirty + tried.dirty) <= find.pages
        assert ("posted-list" in find.structures) == (find.pages <= crossovers_record.POSTED_UP_TO)


def test_the_shipped_study_predicts_winners_as_promised() -> None:
    study = crossovers_record.load()
    found = crossovers_report.all_crossovers(study)
    for names in (posted(), tuned()):
        own = found[found["one"].isin(names)]
        assert check(study.rounds, own, names)[0].share >= 0.95
    text = crossovers_report.markdown(study, found, shipped_model(study.cache))
    assert "`list`, `bitmap`" in text
    assert "nan" not in text


@pytest.mark.parametrize("cache", CACHES)
def test_the_shipped_held_out_cells_are_those_of_the_shipped_model(cache: str) -> None:
    held_out = pd.read_csv(reference().folder / held_out_file(cache))
    trial = shipped_model(cache).trial
    assert trial is not None
    assert held_out["error"].median() == pytest.approx(trial.error.median, abs=1e-3)
    assert held_out["error"].quantile(0.9) == pytest.approx(trial.error.high, abs=2e-3)


@slow
def test_the_command_measures_small_slots_and_tells_what_it_found(
    tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(crossovers_record, "PER_DECADE", 2)
    monkeypatch.setattr(crossovers_record, "REFINE_S", 2.0)
    monkeypatch.setattr(crossovers_record, "ROUNDS", {"find": 3, "try": 2})
    monkeypatch.setattr(crossovers_record, "MAP_PAGES", 10_000)
    monkeypatch.setattr(crossovers_record, "MAP_LENGTHS", (1, 16))
    monkeypatch.setattr(crossovers_record, "MAP_DENSITIES", (0.01, 0.1))
    out = tmp_path / "study"
    assert cli.main(["crossovers", "--pages", "10000", "--out", str(out)]) == 0
    told = capsys.readouterr()
    assert "`posted-tree`, `posted-bitmap`" in told.out
    study = crossovers_record.load(out)
    assert set(study.rounds["set"]) == {"find", "try"}
    assert study.machine["cores"] >= 1
    before = (out / "rounds.csv").read_bytes()
    assert cli.main(["crossovers", "--pages", "10000", "--out", str(out)]) == 0
    assert (out / "rounds.csv").read_bytes() == before  # nothing was left to measure


@pytest.mark.parametrize("pages", ["0", "999", "2000000000"])
def test_slots_out_of_range_are_refused(
    pages: str, tmp_path: pathlib.Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["crossovers", "--pages", pages, "--out", str(tmp_path / "x")]) == 2
    assert f"argument --pages: '{pages}': must be 1000 … 1000000000" in capsys.readouterr().err
    assert not (tmp_path / "x").exists()
