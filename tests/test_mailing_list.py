"""The study: its rows, its program, its verdicts, what is kept on disk."""

import dataclasses
import json
import re

import numpy as np
import pytest
from contracts import IMPOSSIBLE
from slow import slow

from dirtylab import mailing_list
from dirtylab._data import data_file
from dirtylab._format import ns_text, three_digits
from dirtylab.studies.mailing_list import claims, experiments, program, runs, study
from dirtylab.studies.mailing_list.report import text_table
from dirtylab.studies.mailing_list.rows import BETWEEN, FULL, INSERTION, STRUCTURES, Row
from dirtylab.studies.mailing_list.samples_index import SamplesIndex

# A row of the mail, as printed there.
POSTED_LINES = """\
kB size l:7812 t:1513 b:1220
l:    6420041 ns (1.00,   5.69,     4.13)
t:   36511925 ns (0.18,   1.00,     0.73)
b:   26523022 ns (0.24,   1.38,     1.00)"""
POSTED_SMALL = """\
kB size l:0 t:1513 b:1220
l:        642 ns (1.00,  78.05, 45977.38)
t:      50108 ns (0.01,   1.00,   589.08)
b:   29517475 ns (0.00,   0.00,     1.00)"""


def posted_ns(order, dirty):
    return next(r.posted_ns for r in mailing_list.posted_rows() if r[::2] == (order, dirty))


def test_the_nine_posted_rows():
    rows = mailing_list.posted_rows()
    assert [row.order for row in rows] == ["random"] * 6 + ["sequential"] * 3
    assert {row.pages for row in rows} == {10_000_000}
    assert rows[0].posted_ns == {
        "posted-list": 642, "posted-tree": 50_108, "posted-bitmap": 29_517_475
    }  # fmt: skip


@pytest.mark.parametrize(("dirty", "lines"), [(1_000_000, POSTED_LINES), (100, POSTED_SMALL)])
def test_the_four_lines_have_the_posted_format_to_the_letter(dirty, lines):
    elapsed = posted_ns("random", dirty)
    assert program.printed(10_000_000, dirty, elapsed) == lines


def test_a_cold_run_goes_in_the_posted_order():
    arena = program.Arena.build(72, 5)
    elapsed = program.run_once(arena)
    assert tuple(elapsed) == STRUCTURES
    assert all(ns >= 0 for ns in elapsed.values())
    assert arena.out[: np.unique(arena.frames).size].tolist() == sorted(set(arena.frames.tolist()))


@pytest.mark.parametrize("entries", [1, 100, 511, 512, 16_383, 16_384, 100_000])
def test_list_and_destination_are_apart_and_as_large_as_asked(entries):
    frames, out = program.list_and_destination(entries)
    frames[:], out[:] = 7, 8
    assert frames.shape == out.shape == (entries,)
    assert (frames == 7).all()
    assert (out == 8).all()


def test_a_refilled_arena_has_other_frames_and_only_those():
    arena = program.Arena.build(520, 40)
    first = arena.frames.copy()
    arena.fill("random", 3)
    assert (arena.frames != first).any()
    runs.require_agreement(arena)
    arena.fill("random", 0)
    assert (arena.frames == first).all()


def test_no_timing_counts_when_the_structures_disagree():
    arena = program.Arena.build(520, 40)
    arena.bitmap[0] ^= 1
    with pytest.raises(AssertionError, match=r"posted-(tree|bitmap) returned other frames"):
        runs.require_agreement(arena)


def test_a_row_is_measured_both_ways():
    row = Row("random", 520, 40, dict.fromkeys(STRUCTURES, 1))
    records = runs.measured_records(row, 9, np.random.default_rng(0))
    by_method = {m: [r for r in records if r["method"] == m] for m in runs.METHODS}
    assert [r["structure"] for r in by_method[runs.AS_POSTED]] == list(STRUCTURES)
    assert len(by_method[runs.CAREFUL]) in {5 * 9, 5 * 18, 5 * 27}  # more where it is in doubt
    assert all(record["ns"] > 0 for record in by_method[runs.CAREFUL])
    assert len(runs.posted_records(row)) == 3


@pytest.mark.parametrize("name", STRUCTURES)
def test_no_structure_passes_by_what_another_wrote(monkeypatch, name):
    arena = program.Arena.build(520, 40)
    samplers = {**arena.samplers(), name: lambda loops: 1}
    monkeypatch.setattr(program.Arena, "samplers", lambda self: samplers)
    with pytest.raises(AssertionError, match=f"{name} returned other frames"):
        runs.require_agreement(arena)


@pytest.fixture(scope="module")
def whole():
    """Return a whole study, measured here with few repeats."""
    reproduction = study.Reproduction(study.Plan(repeats=3, runs=3, between=3, most=1))
    for _, action in reproduction.steps():
        action()
    return reproduction.study()


@slow
def test_the_whole_study_judges_every_claim(whole):
    assert whole.complete
    assert [one.number for one in whole.verdicts] == [1, 2, 3, 4, 5, 6, 7]
    assert whole.verdicts[1].verdict in (claims.HOLDS, claims.PARTLY)
    assert whole.verdicts[2].verdict == claims.HOLDS
    assert whole.verdicts[5].verdict == claims.PARTLY
    assert all(one.measured and one.why for one in whole.verdicts)


def test_every_defect_and_the_untimed_flaws_are_shown(whole):
    shown = {name: one.shown for name, one in whole.samples_index.experiments.items()}
    for name in ("crash", "lost-pages", "past-the-end", "repeats", "sawtooth"):
        assert shown[name], name
    numbers = whole.samples_index.experiments["lost-pages"].numbers["returned"]
    assert numbers["16777216"] == 16_777_209
    assert str(IMPOSSIBLE) in whole.samples_index.experiments["lost-pages"].finding
    assert "6,319,304" in whole.samples_index.experiments["repeats"].finding


def test_the_study_survives_the_disk(whole, tmp_path):
    mailing_list.save(whole, tmp_path)
    again = mailing_list.load(tmp_path)
    assert mailing_list.text_report(again) == mailing_list.text_report(whole)
    assert again.as_dict() == json.loads(json.dumps(whole.as_dict()))
    assert list(again.samples_index.frame().columns) == [
        "method", "operation", "order", "pages", "dirty", "structure", "repeat", "ns", "loops"
    ]  # fmt: skip


@pytest.mark.parametrize("damage", ["{", "[]", '{"experiments": {}}'])
def test_a_damaged_study_is_named(whole, tmp_path, damage):
    mailing_list.save(whole, tmp_path)
    (tmp_path / "study.json").write_text(damage)
    with pytest.raises(ValueError, match=f"{re.escape(str(tmp_path))}: no study by this version"):
        mailing_list.load(tmp_path)


def test_the_report_has_every_row_and_claim(whole):
    report = mailing_list.text_report(whole)
    for row in mailing_list.posted_rows():
        assert row.label in report
    assert all(one.claim.split(",")[0] in " ".join(report.split()) for one in whole.verdicts)
    assert max(map(len, text_table(whole.samples_index).splitlines())) <= 97


# --- verdicts on made-up samples ----------------------------------------------------------------


def made_up(factors):
    """Return samples in which careful runs take the posted times, changed by `factors`."""
    records = []
    for row in mailing_list.posted_rows():
        records += runs.posted_records(row)
        for name, ns in row.posted_ns.items():
            changed = ns * factors.get((row.order, name), 1)
            for method in (runs.AS_POSTED, runs.CAREFUL):
                records.append(runs.record(row, method, name, 0, changed, 1))
    for name, ns in zip(STRUCTURES, (1, factors.get("insert", 3), 1), strict=True):
        records.append(runs.record(INSERTION, runs.CAREFUL, name, 0, ns, 1, "insert"))
        full = ns if name != "posted-tree" else factors.get("full", 2)
        records.append(runs.record(FULL, runs.CAREFUL, name, 0, full, 1))
    index = SamplesIndex(records, {"sawtooth": experiments.memory_sawtooth()})
    index.lockless = made_up_threads(**factors.get("threads", {}))
    return index


def made_up_threads(again=1, new=1, lost=0, writer=1, reader=9):
    """Return a summary of inserting while harvesting, of the parts that the claims look at."""
    ns = {"bitmap": (1, 1), "tree8": (again, new)}
    return {
        "machine": {"cpu": "a made-up CPU"},
        "atomic": {
            name: {
                regime: {"atomic_ns": [value, value, value]}
                for regime, value in zip(("again", "new"), values, strict=True)
            }
            for name, values in ns.items()
        },
        "harvest": {
            name: {
                pause: {"writer": [writer, 0, 9], "reader": [reader, 0, 9]}
                for pause in ("0", "1000")
            }
            for name in claims.LOCKLESS_TREES
        },
        "soak": {
            "structures": {
                name: {"inserts": 10**9, "lost": lost, "late": 0} for name in claims.LOCKLESS_TREES
            }
        },
        "checker": [{"group": "ours", "schedules": 10, "late": 0, "lost": 0}],
    }


@pytest.mark.parametrize(
    ("claim", "factors", "verdict"),
    [
        (claims.insertion_is_fast, {"insert": 3.9, "threads": {"new": 3.9}}, claims.HOLDS),
        (claims.insertion_is_fast, {"insert": 6}, claims.PARTLY),
        (claims.insertion_is_fast, {"threads": {"new": 6}}, claims.PARTLY),
        (claims.insertion_is_fast, {"insert": 9, "threads": {"new": 9, "again": 5}}, claims.FAILS),
        (claims.removal_is_lockless, {"threads": {"writer": 1.2}}, claims.HOLDS),
        (claims.removal_is_lockless, {"threads": {"writer": 1.3}}, claims.PARTLY),
        (claims.removal_is_lockless, {"threads": {"lost": 1}}, claims.FAILS),
        (claims.search_is_on_par_with_the_list, {}, claims.HOLDS),
        (claims.search_is_on_par_with_the_list, {("sequential", "posted-tree"): 2},
         claims.PARTLY),
        (claims.search_is_on_par_with_the_list, {("sequential", "posted-tree"): 9}, claims.FAILS),
        (claims.full_bitmap_costs_twice, {"full": 2.4}, claims.HOLDS),
        (claims.full_bitmap_costs_twice, {"full": 4}, claims.PARTLY),
        (claims.full_bitmap_costs_twice, {"full": 6}, claims.FAILS),
        (claims.asymptotics_remain, {}, claims.HOLDS),
        (claims.asymptotics_remain, {("random", "posted-list"): 100}, claims.HOLDS),
        (claims.asymptotics_remain, {("random", "posted-tree"): 30}, claims.PARTLY),
    ],
)  # fmt: skip
def test_verdicts_follow_from_the_numbers(claim, factors, verdict):
    assert claim(made_up(factors)).verdict == verdict


def test_the_posted_crossover_is_between_its_rows():
    index = made_up({})
    assert index.posted_bracket() == (100_000, 1_000_000)
    assert index.crossover(runs.CAREFUL) == pytest.approx(500_000, rel=0.02)
    assert index.winner(runs.POSTED, index.rows[3]) == "posted-tree"
    assert index.winner(runs.POSTED, index.rows[4]) == "posted-bitmap"


def test_the_interval_of_the_crossover_holds_it():
    """The truth: a straight line between the rows of 400,000 and 500,000 dirty frames."""
    rng, held, trials = np.random.default_rng(1), 0, 150
    rows = [row for row in [*mailing_list.posted_rows(), *BETWEEN] if row.order == "random"]
    rows.sort(key=lambda row: row.dirty)
    for _ in range(trials):
        records = []
        for row in rows:
            ratio = (450_000 / row.dirty) ** 0.3
            for repeat, noise in enumerate(rng.standard_t(3, (9, 2))):
                for name, level, off in zip(
                    ("posted-bitmap", "posted-tree"), (ratio, 1), noise, strict=True
                ):
                    ns = 1e6 * level * np.exp(0.05 * off)
                    records.append(runs.record(row, runs.CAREFUL, name, repeat, ns, 1))
        index = SamplesIndex(records)
        index.crossing_rows = lambda _: rows
        low, high = index.crossover_interval(runs.CAREFUL) or (0, np.inf)
        held += low <= 450_000 <= high
        assert low <= index.crossover(runs.CAREFUL) <= high
    assert held / trials > 0.95 - 3 * np.sqrt(0.05 * 0.95 / trials)


def test_the_facts_of_a_study_have_the_crossover_and_its_interval():
    crossover = mailing_list.load(data_file("measured/mailing_list")).as_dict()["crossover"]
    low, high = crossover["interval_95"]
    assert low < crossover["dirty"] < high


def test_without_a_crossover_there_is_none_and_no_interval():
    index = made_up({("random", "posted-bitmap"): 1e6})
    assert index.crossover(runs.CAREFUL) is None
    assert index.crossover_interval(runs.CAREFUL) is None


def test_a_study_cut_short_has_its_rows_and_no_verdicts():
    reproduction = study.Reproduction(study.Plan(repeats=3, runs=3, between=3, most=1))
    row = mailing_list.posted_rows()[6]
    reproduction.records = runs.posted_records(row) + runs.measured_records(
        row, 3, np.random.default_rng(0)
    )
    cut = reproduction.study()
    assert ([r.label for r in cut.samples_index.rows], cut.verdicts) == ([row.label], [])
    assert "seven claims" not in mailing_list.text_report(cut)


@pytest.mark.parametrize(
    ("ns", "text"),
    [(0.5, "0.500 ns"), (5.1, "5.10 ns"), (999, "999 ns"), (1e3, "1.00 µs"),
     (29_517_475, "29.5 ms"), (2.5e9, "2.50 s")],
)  # fmt: skip
def test_durations_have_three_digits_and_a_unit(ns, text):
    assert ns_text(ns) == text


def test_large_numbers_have_no_exponent():
    assert three_digits(1_069_932.4) == "1,069,932"


def test_a_plan_says_what_it_measures():
    assert study.QUICK_PLAN.repeats >= 9
    assert dataclasses.asdict(study.FULL_PLAN)["repeats"] > study.QUICK_PLAN.repeats
