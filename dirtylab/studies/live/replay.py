"""Replay every trace on every structure.

In each round the structures replay epochs of the trace: an insert of the frames in the order
recorded, then a harvest, in the compiled loop (:mod:`dirtylab.measure.driver`).  As a guest or
program runs in between, other memory is streamed through the caches before each insert and each
harvest, and all structures have their turns then, in a new random order; that takes some
milliseconds, and so epochs are taken that lie evenly in the trace.  With warm caches each structure
replays the whole trace in its turn.  Before a structure is timed it replays the trace, untimed,
and must return exactly the pages of each epoch.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dirtylab import structures
from dirtylab._caches import GUEST_RAN, WARM
from dirtylab._progress import Step
from dirtylab.datasets.tracefile import Trace
from dirtylab.datasets.traces import recording, recordings
from dirtylab.measure.apart import Call, beat, direct
from dirtylab.measure.caches import other_memory, stream
from dirtylab.measure.driver import Driver
from dirtylab.measure.experiment import experiment, take_turns
from dirtylab.structures import STRUCTURES, Structure, known_first
from dirtylab.theory.intervals import Interval, ratio_interval

if TYPE_CHECKING:
    import pandas as pd

ROUNDS = 7
EPOCHS = 16
"""Epochs of a trace that are replayed where other memory is streamed before each."""

Record = dict[str, Any]


def playable(pages: int) -> list[str]:
    """Return the structures that can track so many pages; the posted ones refuse some sizes."""
    names = []
    for name in STRUCTURES:
        beat(name)
        try:
            make(name, pages, 1)
        except (ValueError, MemoryError):
            continue
        names.append(name)
    return names


def make(name: str, pages: int, most: int) -> Structure:
    """Return a structure; one that keeps repeats gets room for `most`."""
    kind = STRUCTURES[name]
    return kind(pages, **({} if kind.unique_output else kind.options_for(max(most, 1))))


def replays(
    records: list[Record],
    *,
    names: Sequence[str] | None = None,
    rounds: int = ROUNDS,
    call: Call = direct,
) -> Iterator[Step]:
    """Yield label and action of each recording; an action appends rows to `records`.

    `call` measures, in a process of its own where a structure is native
    (:func:`dirtylab.measure.apart.measuring`).
    """
    for name in recordings() if names is None else names:
        yield f"replay of {name}", lambda n=name: records.extend(call(_replay_of, n, rounds))  # type: ignore[misc]


def _replay_of(name: str, rounds: int) -> list[Record]:
    return replay(recording(name), rounds)


def replay(
    trace: Trace, rounds: int = ROUNDS, seed: int = 2016, cache: str = GUEST_RAN
) -> list[Record]:
    """Measure every structure on a trace.

    Parameters
    ----------
    trace : Trace
        The trace to replay.
    rounds : int, optional
        Number of rounds.
    seed : int, optional
        Of the orders of the structures.
    cache : {"guest-ran", "warm"}, optional
        What the caches hold before each insert and harvest.

    Returns
    -------
    list of dict
        A row a structure, operation (``insert``, ``harvest``) and round; ``ns`` for all ``epochs``
        that were replayed.

    Raises
    ------
    AssertionError
        A structure returns other pages than were inserted.
    """
    rng = np.random.default_rng(seed)
    most = max((epoch.size for epoch in trace.epochs), default=0)
    made = {name: Driver(make(name, trace.pages, most), most + 1) for name in playable(trace.pages)}
    sets = [np.unique(epoch) for epoch in trace.epochs]
    for name, driver in made.items():
        _require_pages(name, driver, trace, sets)

    def row(name: str, repeat: int, operation: str, ns: float, epochs: int) -> Record:
        return {
            "trace": trace.facts.get("name", ""), "structure": name, "operation": operation,
            "repeat": repeat, "ns": ns, "epochs": epochs, "pages": trace.pages,
            "bytes": made[name].structure.nbytes, "through": made[name].through, "cache": cache,
        }  # fmt: skip

    def turn(name: str, repeat: int) -> list[Record]:
        beat(name)
        spent = zip(("insert", "harvest"), made[name].replay(trace.epochs), strict=True)
        return [row(name, repeat, part, ns, len(trace.epochs)) for part, ns in spent]

    if cache == WARM:
        return experiment(list(made), rounds, rng, turn)
    chosen = spread_out(trace, EPOCHS)
    return [
        row(name, repeat, operation, ns, len(chosen))
        for repeat in range(rounds)
        for (name, operation), ns in _stepwise(made, chosen, rng).items()
    ]


def spread_out(trace: Trace, number: int) -> list[npt.NDArray[np.uint64]]:
    """Return epochs that lie evenly in a trace, in order: all where there are no more."""
    places = np.unique(np.linspace(0, len(trace.epochs) - 1, number).round().astype(int))
    return [trace.epochs[place] for place in places] if trace.epochs else []


def _stepwise(
    made: Mapping[str, Driver],
    epochs: Sequence[npt.NDArray[np.uint64]],
    rng: np.random.Generator,
) -> dict[tuple[str, str], float]:
    """Return the ns of all inserts and all harvests of each structure."""
    spent = {(name, part): 0.0 for name in made for part in ("insert", "harvest")}

    def insert(name: str, frames: npt.NDArray[np.uint64]) -> None:
        beat(name)
        stream(frames)  # else the first to insert them would fetch them for all
        spent[name, "insert"] += made[name].insert_ns(frames)

    def harvest(name: str) -> None:
        beat(name)
        spent[name, "harvest"] += made[name].harvest_ns()

    for frames in epochs:
        take_turns(list(made), rng, lambda name, f=frames: insert(name, f), prepare=_guest_runs)  # type: ignore[misc]
        take_turns(list(made), rng, harvest, prepare=_guest_runs)
    return spent


def _guest_runs() -> None:
    stream(other_memory())


def _require_pages(
    name: str, driver: Driver, trace: Trace, sets: Sequence[npt.NDArray[np.uint64]]
) -> None:
    beat(name)
    for epoch, expected in zip(trace.epochs, sets, strict=True):
        found = driver.taken(epoch, "harvest", driver.through)
        if not np.array_equal(np.unique(found), expected):
            raise AssertionError(f"{name} returned other pages than the trace has")


def epochs(table: "pd.DataFrame", operation: str | None = None) -> "pd.DataFrame":
    """Return median µs of an epoch: traces down, structures across.

    Parameters
    ----------
    table : pandas.DataFrame
        Rows of :func:`replay`.
    operation : {"insert", "harvest"}, optional
        Both together when omitted.
    """
    chosen = table if operation is None else table[table["operation"] == operation]
    keys = ["trace", "structure", "repeat"]
    whole = chosen.groupby(keys).agg(ns=("ns", "sum"), epochs=("epochs", "first")).reset_index()
    whole["us"] = whole["ns"] / whole["epochs"] / 1000
    grouped = whole.groupby(["trace", "structure"])["us"].median().unstack("structure")
    return grouped[known_first(map(str, grouped))]


def replay_cache(table: "pd.DataFrame") -> str:
    """Return what the caches held; recordings before version 0.2, which don't say, were warm."""
    return str(table["cache"].iloc[0]) if "cache" in table and len(table) else WARM


def same_job(times: "pd.DataFrame") -> "pd.DataFrame":
    """Return the columns of structures that do the same job: pages in order, each once."""
    return times[[name for name in structures.same_job() if name in times]]


def winners(table: "pd.DataFrame") -> "pd.DataFrame":
    """Return for each trace the best structure, the next, and their ratio.

    Only structures with the same output are compared (:func:`same_job`).  Two are *even* where
    their difference is not significant: the 95 % interval of their median ratio contains 1, or
    there are too few rounds for one.
    """
    import pandas as pd

    medians = same_job(epochs(table))
    rows = []
    for name, times in medians.iterrows():
        best, second = times.sort_values().index[:2]
        ratio = _ratio(table, str(name), second, best)
        rows.append(
            {
                "trace": name, "best": best, "µs an epoch": times[best], "next": second,
                "times as long": ratio.at, "even": ratio.holds(1),
            }
        )  # fmt: skip
    return pd.DataFrame(rows).set_index("trace")


def _ratio(table: "pd.DataFrame", trace: str, one: str, other: str) -> Interval:
    chosen = table[table["trace"] == trace]
    rounds = chosen.groupby(["structure", "repeat"])["ns"].sum()
    return ratio_interval(rounds[one], rounds[other])
