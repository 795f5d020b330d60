"""Record the crossover study: all structures on a fine grid of dirty frames.

Two sets of cells: the fit set ``find``, in which crossovers are located, and the holdout set
``try``, with numbers of frames in between and other seeds, on which predictions are checked.

Where two curves meet more sizes are measured, until the interval is short
(:mod:`dirtylab.studies.crossovers.refine`).

Kept as ``rounds.csv``, one row a round of a cell and operation, a column of ns for each structure,
``map.csv``, medians of whole epochs over density and cluster length, and ``machine.json``.
"""

import os
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from dirtylab._caches import GUEST_RAN, WARM
from dirtylab._progress import time_bar
from dirtylab.advice.machines import CROSSOVERS, reference
from dirtylab.datasets import parsed, read, studied, written
from dirtylab.measure import recording
from dirtylab.measure.files import prepare_folder
from dirtylab.measure.grid import Choice
from dirtylab.measure.sweep import sweep
from dirtylab.structures import is_posted, kind_of, known_first, posted, tuned
from dirtylab.studies.crossovers import refine

if TYPE_CHECKING:
    import pandas as pd

OPERATIONS = ("insert", "collect", "harvest", "epoch")
PAGES = (100_000, 1_000_000, 10_000_000, 100_000_000)
JUDGED = ("harvest", "epoch")
"""Operations whose crossovers are told."""
REFINE_S = 240.0
POSTED_UP_TO = 10_000_000
"""Largest slot of the posted structures: their bitmap tests each page."""
PER_DECADE = 3
FIRST, MOST = 10, 3_000_000
ROUNDS = {"find": 7, "try": 3}
SEEDS = {"find": 2016, "try": 11}
MAP_PAGES = 10_000_000
MAP_LENGTHS = (1, 4, 16, 64, 256, 1024, 4096)
MAP_DENSITIES = (1e-6, 1e-5, 1e-4, 3e-4, 1e-3, 3e-3, 0.01, 0.03, 0.1, 0.3)
KEYS = ("set", "operation", "pattern", "pages", "dirty", "round")


class Part(NamedTuple):
    """Cells that are measured with the same structures."""

    use: str
    """``find`` or ``try``."""
    pages: int
    structures: tuple[str, ...]
    dirty: tuple[int, ...]


def parts(sizes: tuple[int, ...] = PAGES, structures: tuple[str, ...] | None = None) -> list[Part]:
    """Return all that is measured; where no structures are given, the posted and tuned ones."""
    found = []
    for pages in sizes:
        usual = tuned() if pages > POSTED_UP_TO else (*posted(), *tuned())
        names = usual if structures is None else structures
        found.append(Part("find", pages, names, _numbers(pages, 0.0)))
        found.append(Part("try", pages, names, _numbers(pages, 0.5)))
    return found


def _numbers(pages: int, shift: float) -> tuple[int, ...]:
    """Return numbers of frames in even steps of their logarithm, shifted by a part of a step."""
    last = min(MOST, pages)
    steps = np.arange(np.log10(last / FIRST) * PER_DECADE + 1) + shift
    numbers = np.round(FIRST * 10 ** (steps / PER_DECADE)).astype(int)
    return tuple(int(one) for one in numbers if one <= last)


def record(
    out: str | os.PathLike[str],
    work: str | os.PathLike[str],
    sizes: tuple[int, ...] = PAGES,
    report: Callable[[str], object] | None = None,
    datasets: Sequence[Choice] | None = None,
    structures: tuple[str, ...] | None = None,
    cache: str = GUEST_RAN,
    refine_s: float | None = None,
) -> pathlib.Path:
    """Measure the study and write it to the folder `out`; return that folder.

    Parameters
    ----------
    out : path
        For ``rounds.csv``, ``map.csv`` and ``machine.json``.
    work : path
        For unfinished sweeps: the same call goes on where it stopped.
    sizes : tuple of int, optional
        Slots.
    report : callable, optional
        Called with a line before each sweep.
    datasets : sequence of str or (str, dict), optional
        Patterns; the studies' usual ones when omitted.
    structures : tuple of str, optional
        Names; posted and tuned ones when omitted.  Where one can harvest only, as a native tracker,
        no collect is timed.
    cache : {"guest-ran", "warm"}, optional
        What the caches hold (:func:`dirtylab.sweep`).
    refine_s : float, optional
        Seconds for more sizes where two curves meet, 240 when omitted; what has begun when they are
        over is finished.
    """
    folder, under_way = prepare_folder(out), prepare_folder(work)
    usual = list(studied().items()) if datasets is None else datasets
    tables, machine = {}, {}
    for part in parts(sizes, structures):
        if report:
            report(f"{part.pages:,} pages, {part.use}: {len(part.dirty)} numbers of frames")
        table = _measure_part(under_way, part, usual, cache, progress=report is not None)
        tables[part.use, part.pages] = wide(table, part.use)
        machine = next(iter(table.attrs["machines"].values()))
    seconds = REFINE_S if refine_s is None else refine_s
    _go_there(tables, under_way, structures, cache, seconds, report)
    if report:
        report(f"{MAP_PAGES:,} pages, map: {len(MAP_LENGTHS)} x {len(MAP_DENSITIES)} cells")
    names = tuned() if structures is None else structures
    medians = _measure_map(under_way / "map", names, cache, progress=report is not None)
    tables_by_name = {"map.csv": medians, "rounds.csv": _together(tables)}
    recording.save(folder, tables_by_name, {**machine, "cache": cache}, float_format="%.4g")
    return folder


def _measure_part(
    work: pathlib.Path,
    part: Part,
    datasets: Sequence[Choice],
    cache: str,
    *,
    progress: bool,
    name: str = "",
) -> "pd.DataFrame":
    return sweep(
        structures=part.structures,
        operations=timed(part.structures),
        datasets=datasets,
        pages=[part.pages],
        dirty=part.dirty,
        repeats=ROUNDS[part.use],
        seed=SEEDS[part.use],
        cache=cache,
        out=work / f"{name or part.use}-{part.pages}",
        progress=progress,
    )


def _go_there(
    tables: "dict[tuple[str, int], pd.DataFrame]",
    work: pathlib.Path,
    structures: tuple[str, ...] | None,
    cache: str,
    seconds: float,
    report: Callable[[str], object] | None,
) -> None:
    """Measure more sizes where two curves meet, until intervals are short or the time is up."""
    deadline = time.monotonic() + seconds
    asked: dict[int, set[tuple[str, int]]] = {}
    families = [posted(), tuned()] if structures is None else [structures]
    named = {part.pages: part for part in parts(tuple({n for _, n in tables}), structures)}
    if report:
        report(f"where curves meet: up to {seconds:.0f} s")
    with time_bar(seconds, shown=report is not None) as step:
        for number in range(refine.PASSES):
            begun = time.monotonic()
            wanted = refine.goals(_together(tables), families, JUDGED)
            for goal in wanted:
                if time.monotonic() >= deadline:
                    return
                part = named[goal.pages]._replace(use="find", dirty=goal.dirty)
                table = _measure_part(
                    work, part, [parsed(goal.pattern)], cache, progress=False, name="meet"
                )
                asked.setdefault(goal.pages, set()).update((goal.pattern, n) for n in goal.dirty)
                tables["meet", goal.pages] = _only(wide(table, "find"), asked[goal.pages])
                spent, begun = time.monotonic() - begun, time.monotonic()
                step(f"pass {number + 1}: {goal.pattern}, {goal.pages:,} pages", spent)
            if not wanted:
                return


def _only(rounds: "pd.DataFrame", asked: set[tuple[str, int]]) -> "pd.DataFrame":
    """Return what was asked for so far: an earlier call may have measured what comes later."""
    return rounds[[one in asked for one in zip(rounds["pattern"], rounds["dirty"], strict=True)]]


def _together(tables: "dict[tuple[str, int], pd.DataFrame]") -> "pd.DataFrame":
    import pandas as pd

    return pd.concat(tables.values(), ignore_index=True)


def timed(structures: Sequence[str]) -> tuple[str, ...]:
    """Return the operations that all structures have."""
    collect = all(kind_of(name).collects for name in structures)
    return tuple(one for one in OPERATIONS if collect or one != "collect")


def _measure_map(
    out: pathlib.Path, structures: tuple[str, ...], cache: str, *, progress: bool
) -> "pd.DataFrame":
    """Return medians of whole epochs, a row a density and cluster length."""
    table = sweep(
        structures=structures,
        operations=("epoch",),
        datasets=[("clustered", {"length": length}) for length in MAP_LENGTHS],
        pages=[MAP_PAGES],
        dirty=MAP_DENSITIES,
        repeats=ROUNDS["try"],
        cache=cache,
        out=out,
        progress=progress,
    )
    kept = table[~table["control"]].rename(columns={"dataset_length": "length"})
    medians = kept.pivot_table(
        index=["length", "dirty"], columns="structure", values="ns", aggfunc="median"
    )
    return medians.reset_index().rename_axis(columns=None)


def wide(table: "pd.DataFrame", use: str) -> "pd.DataFrame":
    """Return a sweep's samples with a column for each structure."""
    kept = table[~table["control"]].copy()
    kept["set"], kept["round"] = use, kept["repeat"]
    kept["pattern"] = [pattern_name(row) for row in kept.to_dict("records")]
    rounds = kept.pivot_table(index=list(KEYS), columns="structure", values="ns", sort=False)
    return rounds.reset_index().rename_axis(columns=None)


def pattern_name(row: dict[Any, Any]) -> str:
    """Return a pattern with its options, as in ``clustered:length=64``."""
    dataset = str(row["dataset"])
    given = {
        str(name).removeprefix("dataset_"): value
        for name, value in row.items()
        if str(name).startswith("dataset_") and value not in ("", None) and value == value
    }
    return written(dataset, read(dataset, given))


def measure_now(
    pages: int = 1_000_000,
    pattern: tuple[str, dict[str, Any]] = ("random", {}),
    operation: str = "epoch",
    *,
    structures: tuple[str, ...] | None = None,
    rounds: int = 5,
    cache: str = GUEST_RAN,
) -> "CrossoverStudy":
    """Measure one curve of the study on this machine, in some seconds.

    Parameters
    ----------
    pages : int, optional
        Size of the slot.
    pattern : (str, dict), optional
        Name in ``dirtylab.DATASETS``, and options.
    operation : str, optional
        Which one.
    structures : tuple of str, optional
        Which ones; the tuned ones when omitted.
    rounds : int, optional
        Of each cell.
    cache : {"guest-ran", "warm"}, optional
        What the caches hold.

    Returns
    -------
    CrossoverStudy
        With that curve alone, and no map.
    """
    table = sweep(
        structures=structures,
        operations=(operation,),
        datasets=(pattern,),
        pages=[pages],
        dirty=_numbers(pages, 0.0),
        repeats=rounds,
        cache=cache,
    )
    machine = {**next(iter(table.attrs["machines"].values())), "cache": cache}
    return CrossoverStudy(wide(table, "find"), machine, table.iloc[:0])


class CrossoverStudy(NamedTuple):
    """A crossover study, read back."""

    rounds: "pd.DataFrame"
    machine: dict[str, Any]
    map: "pd.DataFrame"

    @property
    def cache(self) -> str:
        """What the caches held."""
        return str(self.machine["cache"])

    @property
    def posted(self) -> tuple[str, ...]:
        """Structures measured that are as posted."""
        return tuple(name for name in self._structures() if is_posted(name))

    @property
    def tuned(self) -> tuple[str, ...]:
        """The other structures measured."""
        return tuple(name for name in self._structures() if not is_posted(name))

    def _structures(self) -> list[str]:
        return known_first(str(name) for name in self.rounds if name not in KEYS)


def load(folder: str | os.PathLike[str] | None = None) -> CrossoverStudy:
    """Return a study that :func:`record` wrote; that of the reference machine when omitted.

    Raises
    ------
    OSError, ValueError
        A file is missing, unreadable, or not what :func:`record` writes; it is named.
    """
    where = reference().folder / CROSSOVERS if folder is None else pathlib.Path(folder)
    columns = {"rounds.csv": KEYS, "map.csv": ("length", "dirty")}
    (rounds, medians), machine = recording.load(where, columns, KEYS[:3])
    return CrossoverStudy(rounds, {"cache": WARM, **machine}, medians)
