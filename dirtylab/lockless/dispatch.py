"""One loop for all: which insert and which harvest a kernel compiles follows from its state's type.

Each structure, and each variant of one, is a NamedTuple class of arrays with two functions: how one
frame is inserted, and how all are taken.  :func:`insert_one` and :func:`harvest_into` look them up
when a kernel is compiled, so the soak, the measurements and the classes share their loops and pay
nothing for it.
"""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from numba.extending import overload

from dirtylab._check import Frames
from dirtylab._jit import inlined, uncounted

State = Any
"""A NamedTuple of arrays; its class is the key."""
InsertOne = Callable[[State, int, Any], bool]
"""``(state, vcpu, frame)`` marks one frame dirty; False when there is no room until a harvest."""
InsertSeveral = Callable[[State, int, Frames], int]
"""``(state, vcpu, frames)`` marks frames; returns how many went in before there was no room."""
HarvestInto = Callable[[State, Frames], int]
"""``(state, out)`` takes what is dirty into `out`, which is large enough; returns how many.

Never writes beyond `out`, whatever the state says."""

INSERTS: dict[type, InsertOne] = {}
SEVERAL: dict[type, InsertSeveral] = {}
HARVESTS: dict[type, HarvestInto] = {}


def register(
    state: type, insert: InsertOne, harvest: HarvestInto, several: InsertSeveral | None = None
) -> None:
    """Say how states of this class are inserted into and harvested; all come compiled.

    Without `several`, frames are inserted one after the other.
    """
    INSERTS[state], HARVESTS[state] = insert, harvest
    SEVERAL[state] = one_by_one if several is None else several


def insert_one(state: State, vcpu: int, frame: Any) -> bool:
    """Mark one frame dirty; callable from compiled code."""
    return INSERTS[type(state)](state, vcpu, frame)


@overload(insert_one, jit_options={"forceinline": True})
def _insert_one_compiled(state: Any, vcpu: Any, frame: Any) -> InsertOne:
    chosen = INSERTS[state.instance_class]

    def compiled(state: Any, vcpu: Any, frame: Any) -> bool:
        return chosen(state, vcpu, frame)

    return compiled


@inlined
def one_by_one(state: State, vcpu: int, frames: Frames) -> int:
    """Insert one frame after the other; return how many went in before there was no room."""
    for place in range(frames.size):
        if not insert_one(state, vcpu, frames[place]):
            return place
    return frames.size


def insert_several(state: State, vcpu: int, frames: Frames) -> int:
    """Mark frames dirty; callable from compiled code."""
    return SEVERAL[type(state)](state, vcpu, frames)


@overload(insert_several)
def _insert_several_compiled(state: Any, vcpu: Any, frames: Any) -> InsertSeveral:
    chosen = SEVERAL[state.instance_class]

    def compiled(state: Any, vcpu: Any, frames: Any) -> int:
        return chosen(state, vcpu, frames)

    return compiled


def harvest_into(state: State, out: Frames) -> int:
    """Take what is dirty; callable from compiled code."""
    return HARVESTS[type(state)](state, out)


@overload(harvest_into)
def _harvest_into_compiled(state: Any, out: Any) -> HarvestInto:
    chosen = HARVESTS[state.instance_class]

    def compiled(state: Any, out: Any) -> int:
        return chosen(state, out)

    return compiled


@uncounted
def insert_frames(state: State, vcpu: int, frames: Frames) -> int:
    """Insert frames; return how many went in before there was no room."""
    return insert_several(state, vcpu, frames)


@uncounted
def harvest_frames(state: State, out: Frames) -> int:
    """Take what is dirty into `out`; return how many frames."""
    return harvest_into(state, out)


@uncounted
def harvest_counted(state: State, out: Frames, counted: npt.NDArray[np.int64]) -> None:
    """Take what is dirty into `out`; write how many to `counted`, which outlives an interrupt."""
    counted[0] = harvest_into(state, out)
