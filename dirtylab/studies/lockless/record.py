"""Measure lockless inserts and harvests: three experiments, raw samples kept.

``atomic``
    One thread, atomic against plain inserts of the same frames: 512 pages over and over, all dirty
    already (*again*), and frames at random in a slot of 2^23, clean before (*new*).
``vcpus``
    1 … 8 vCPUs insert concurrently, their frames in the same word, the same cache line, the same
    4,096 pages (a node of the radix-64 tree) or far apart; throughput of all together.
``harvest``
    One vCPU inserts 2^20 different frames while another thread harvests, without or with a pause
    between harvests; against the same work in turns, undisturbed.

Threads wait at a barrier until all have arrived; each reads the clock itself before its first and
after its last insert, and the time of all is from the first to the last reading.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from dirtylab import _check
from dirtylab._check import Frames
from dirtylab._progress import Step
from dirtylab.lockless.atomics import (
    require_threads,
    store_release,
)
from dirtylab.lockless.dispatch import State, harvest_frames
from dirtylab.lockless.native import maker_of
from dirtylab.lockless.nonatomic import PlainBitmap, PlainEarlyTree, PlainList, PlainRing, PlainTree
from dirtylab.lockless.registry import LATE, LOCKLESS
from dirtylab.measure.apart import Call, beat, direct
from dirtylab.measure.clock import scratch
from dirtylab.measure.experiment import experiment
from dirtylab.studies.lockless.gate import (
    gate_for,
    stay_on_core,
    time_harvests,
    time_inserts,
    time_waiting_inserts,
)
from dirtylab.verify.threads import in_threads

Record = dict[str, Any]

PAGES = 2**23
RING_ENTRIES = 2**16
"""Entries of a ring, the most that KVM allows; a sample ends where it is full."""
LIST_ENTRIES = 2**18
AGAIN, NEW = "again", "new"
WORD, LINE, NODE, APART = "same word", "same line", "same node", "apart"
PLACEMENTS = (WORD, LINE, NODE, APART)
VCPUS = (1, 2, 3, 4, 8)
PAUSES_US = (0, 1000)
"""Microseconds from the end of a harvest to the begin of the next."""
STRUCTURES = (*LOCKLESS, *LATE)

_INSERTS = 240_000
"""Inserts of a sample, all vCPUs together."""
_FRAMES = 4096
_MOST_TURNS = 1000


# --- states and frames --------------------------------------------------------------------------


def state_of(structure: str, vcpus: int, pages: int = PAGES) -> State:
    """Return an empty state with room for a sample."""
    options: dict[str, Any] = {}
    if structure.startswith("ring"):
        options = {"entries": RING_ENTRIES}
    if structure == "list":
        options = {"capacity": LIST_ENTRIES}
    state = maker_of(structure)(pages, vcpus=vcpus, **options).state
    for array in state:
        array[:] = array  # else the first samples would fault the memory in
    return state


PLAIN: dict[str, tuple[str, type]] = {
    "list": ("list", PlainList),
    "bitmap": ("bitmap", PlainBitmap),
    "tree8": ("tree8", PlainTree),
    "tree64": ("tree64", PlainTree),
    "ring": ("ring", PlainRing),
    "tree8-early": ("tree8", PlainEarlyTree),
    "tree64-early": ("tree64", PlainEarlyTree),
}
"""Structure to its plain counterpart: whose arrays, and the plain kernel."""


def frames_for(placement: str, vcpu: int, pages: int = PAGES) -> Frames:
    """Return the frames of a vCPU, in scattered order.

    Parameters
    ----------
    placement : {"same word", "same line", "same node", "apart"}
        Where they lie: 8 bits of a word, a word of a cache line, a line of the 4,096 pages that a
        node of radix 64 stands for, or 512 pages in an eighth of the slot.
    vcpu : int
        0 … 7.
    pages : int, optional
        Size of the slot.
    """
    _check.choice("placement", placement, PLACEMENTS)
    first, count = {
        WORD: (8 * vcpu, 8),
        LINE: (64 * vcpu, 64),
        NODE: (512 * vcpu, 512),
        APART: (pages // 8 * vcpu, 512),
    }[placement]
    order = np.random.default_rng(vcpu).permutation(count)
    frames: Frames = (first + order).astype(np.uint64)
    return np.tile(frames, _FRAMES // count)


def random_frames(count: int, seed: int, pages: int = PAGES) -> Frames:
    """Return distinct frames anywhere in the slot."""
    rng = np.random.default_rng(seed)
    return rng.choice(pages, count, replace=False).astype(np.uint64)


# --- the experiments ----------------------------------------------------------------------------


def _record(experiment: str, structure: str, repeat: int, **more: Any) -> Record:
    row: Record = dict.fromkeys(COLUMNS, "")
    row.update(experiment=experiment, structure=structure, repeat=repeat, **more)
    return row


COLUMNS = (
    "experiment", "structure", "form", "regime", "placement", "vcpus", "pause_us", "repeat",
    "inserts", "insert_ns", "harvests", "frames", "harvest_ns",
)  # fmt: skip


def atomic_records(
    repeats: int,
    rng: np.random.Generator,
    inserts: int = 32_768,
    *,
    structures: Sequence[str] = STRUCTURES,
) -> list[Record]:
    """Measure atomic and plain inserts in one thread; a record a sample.

    Of those structures that have a plain counterpart: a native tracker has none.
    """
    states: dict[tuple[str, str], State] = {}
    for name, (base, kind) in PLAIN.items():
        if name not in structures:
            continue
        states[name, "atomic"] = state_of(name, 1)
        states[name, "plain"] = kind(*state_of(base, 1))
    again = frames_for(APART, 0)
    out = np.empty(PAGES + 64, np.uint64)
    fresh: list[Frames] = []

    def turn(key: tuple[str, str], repeat: int) -> Iterator[Record]:
        (name, form), state = key, states[key]
        for regime, frames in ((AGAIN, again), (NEW, fresh[0])):
            if regime == AGAIN:
                _insert_alone(state, frames, frames.size)
            done, ns = _insert_alone(state, frames, inserts)
            harvest_frames(state, out)
            yield _record("atomic", name, repeat, form=form, regime=regime, vcpus=1,
                          inserts=done, insert_ns=ns)  # fmt: skip

    def prepare(repeat: int) -> None:
        fresh[:] = [random_frames(inserts, repeat + 1)]

    return experiment(list(states), repeats, rng, lambda key, number: [*turn(key, number)],
                      prepare=prepare, untimed=1)  # fmt: skip


def _insert_alone(state: State, frames: Frames, inserts: int) -> tuple[int, int]:
    gate = gate_for(1)
    done = time_inserts(state, 0, frames, inserts, gate, scratch())
    return done, int(gate.times[0, 1] - gate.times[0, 0])


def vcpus_records(
    repeats: int,
    rng: np.random.Generator,
    *,
    structures: Sequence[str] = STRUCTURES,
    vcpus: Sequence[int] = VCPUS,
    inserts: int = _INSERTS,
) -> list[Record]:
    """Measure the throughput of vCPUs that insert at once; a record a sample."""
    require_threads()
    states = {name: state_of(name, max(vcpus)) for name in structures}
    out = np.empty(PAGES + 64, np.uint64)
    cells = [(s, p, v) for s in structures for p in PLACEMENTS for v in vcpus]

    def turn(cell: tuple[str, str, int], repeat: int) -> list[Record]:
        structure, placement, many = cell
        beat(structure)
        done, ns = insert_together(states[structure], placement, many, inserts // many)
        harvest_frames(states[structure], out)
        return [_record("vcpus", structure, repeat, form="atomic", placement=placement,
                        vcpus=many, inserts=done, insert_ns=ns)]  # fmt: skip

    return experiment(cells, repeats, rng, turn, untimed=1)


def insert_together(state: State, placement: str, vcpus: int, inserts: int) -> tuple[int, int]:
    """Let vCPUs insert at once; return how many inserts, and the ns from the first to the last."""
    gate = gate_for(vcpus)
    frames = [frames_for(placement, vcpu) for vcpu in range(vcpus)]
    done = [0] * vcpus

    def work(vcpu: int) -> None:
        stay_on_core(vcpu)
        done[vcpu] = time_inserts(state, vcpu, frames[vcpu], inserts, gate, scratch())

    in_threads([lambda vcpu=vcpu: work(vcpu) for vcpu in range(vcpus)], lambda: None)  # type: ignore[misc]
    return sum(done), int(gate.times[:, 1].max() - gate.times[:, 0].min())


def harvest_records(
    repeats: int,
    rng: np.random.Generator,
    *,
    structures: Sequence[str] = STRUCTURES,
    inserts: int = 2**20,
) -> list[Record]:
    """Measure one vCPU and one harvest at once, and in turns; records of both."""
    require_threads()
    cells = [(structure, pause) for structure in structures for pause in PAUSES_US]
    states = {name: state_of(name, 1) for name in structures}
    out = np.empty(PAGES + 64, np.uint64)
    fresh: list[Frames] = []

    def turn(cell: tuple[str, int], repeat: int) -> list[Record]:
        structure, pause = cell
        beat(structure)
        together = _together(states[structure], fresh[0], inserts, pause, out)
        chunk = max(inserts // max(together["harvests"], 1), 1)
        if structure in ("list", "ring", "ring-protect"):
            chunk = min(chunk, 60_000)  # what there is room for
        turns = _in_turns(states[structure], fresh[0], inserts, chunk, out)
        return [
            _record("harvest", structure, repeat, form=form, vcpus=1, pause_us=pause, **one)
            for form, one in (("together", together), ("in turns", turns))
        ]

    def prepare(repeat: int) -> None:
        fresh[:] = [random_frames(inserts, repeat + 1)]  # each once: all are clean, in both forms

    return experiment(cells, repeats, rng, turn, prepare=prepare, untimed=1)


def _together(state: State, frames: Frames, inserts: int, pause_us: int, out: Frames) -> Record:
    gate = gate_for(2)
    spent = np.zeros(3, np.int64)

    def insert() -> None:
        stay_on_core(0)
        time_waiting_inserts(state, 0, frames, inserts, gate, scratch())

    def harvest() -> None:
        stay_on_core(1)
        time_harvests(state, out, 1000 * pause_us, 0, gate, scratch(), spent)

    in_threads(
        [insert, harvest],
        lambda: store_release(gate.words, 2, np.uint64(99)),
    )
    harvest_frames(state, out)
    return {
        "inserts": inserts,
        "insert_ns": int(gate.times[0, 1] - gate.times[0, 0]),
        "harvests": int(spent[0]),
        "frames": int(spent[1]),
        "harvest_ns": int(spent[2]),
    }


def _in_turns(state: State, frames: Frames, inserts: int, chunk: int, out: Frames) -> Record:
    """Insert `chunk` frames, harvest, and so on, at most a thousand times."""
    spent, clock = np.zeros(3, np.int64), scratch()
    inserted = np.zeros(2, np.int64)
    turns = min(inserts // chunk, _MOST_TURNS)

    def work() -> None:
        stay_on_core(0)
        for turn in range(turns):
            some = frames.take(range(turn * chunk, (turn + 1) * chunk), mode="wrap")
            gate, alone = gate_for(1), gate_for(1)
            done = time_inserts(state, 0, some, chunk, gate, clock)
            inserted[:] += done, gate.times[0, 1] - gate.times[0, 0]
            time_harvests(state, out, 0, 1, alone, clock, spent)

    in_threads([work], lambda: None)
    return {
        "inserts": int(inserted[0]),
        "insert_ns": int(inserted[1]),
        "harvests": turns,
        "frames": int(spent[1]),
        "harvest_ns": int(spent[2]),
    }


EXPERIMENTS: dict[str, Callable[..., list[Record]]] = {
    "atomic": atomic_records,
    "vcpus": vcpus_records,
    "harvest": harvest_records,
}


def cost_steps(
    repeats: int,
    records: list[Record],
    seed: int = 2016,
    *,
    structures: Sequence[str] = STRUCTURES,
    call: Call = direct,
) -> Iterator[Step]:
    """Yield the experiments as steps; each adds its samples to `records`.

    `call` measures, in a process of its own where a structure is native
    (:func:`dirtylab.measure.apart.measuring`).
    """
    rng = np.random.default_rng(seed)
    for name in EXPERIMENTS:

        def measure(name: str = name) -> None:
            records.extend(call(_measured, name, repeats, rng, structures))

        yield name, measure


def _measured(
    name: str, repeats: int, rng: np.random.Generator, structures: Sequence[str]
) -> list[Record]:
    return EXPERIMENTS[name](repeats, rng, structures=structures)
