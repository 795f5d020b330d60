"""Check every protocol exhaustively: all schedules of all small cases."""

import itertools
from collections import Counter
from collections.abc import Iterator
from typing import NamedTuple

from dirtylab import _check
from dirtylab.verify.checker import Checker, Move
from dirtylab.verify.program import OUTCOMES, RIGHT
from dirtylab.verify.protocol_models import ProtocolModel, mutants, offered, ours

Case = tuple[tuple[int, ...], ...]
"""For each vCPU the frames it inserts."""


class Finding(NamedTuple):
    """The outcomes of all schedules of a protocol model."""

    name: str
    group: str
    """``ours``, ``offered`` or ``weakened`` (the mutants)."""
    cases: int
    schedules: int
    right: int
    duplicate: int
    late: int
    lost: int

    @property
    def worst(self) -> str:
        """The worst outcome of any schedule, duplicates counting as right."""
        return "lost" if self.lost else "late" if self.late else RIGHT


def cases(pages: int, most: int) -> Iterator[Case]:
    """Yield the frames that each vCPU inserts: one each, and for a few cases several.

    Parameters
    ----------
    pages : int
        Frames to choose from.
    most : int
        Inserts of a case, at most.
    """
    for many in range(1, most + 1):
        for frames in itertools.combinations_with_replacement(range(pages), many):
            yield tuple((frame,) for frame in frames)
    if most >= 2:
        yield from (((frame, frame),) for frame in range(pages))
    if most >= 3:
        for frame, other in itertools.product(range(min(pages, 4)), repeat=2):
            yield ((frame, frame), (other,))


def examine(model: ProtocolModel, group: str = "", *, most: int = 3) -> Finding:
    """Count the outcomes of all schedules of all cases.

    Parameters
    ----------
    model : ProtocolModel
        The protocol to check.
    group : str, optional
        Its group, for the table.
    most : int, optional
        Inserts of a case, 1 … 3.

    Returns
    -------
    Finding
    """
    _check.integer("most", most, 1, 3)
    total: Counter[str] = Counter()
    tried = 0
    for vcpus in cases(model.pages, most):
        total.update(Checker(model.protocol, vcpus).count())
        tried += 1
    counts = [total[outcome] for outcome in OUTCOMES]
    return Finding(model.name, group, tried, sum(counts), *counts)


def protocol_models() -> list[tuple[str, ProtocolModel]]:
    """Return all protocol models with their group."""
    groups = {"ours": ours(), "offered": offered(), "weakened": mutants()}
    return [(group, one) for group, some in groups.items() for one in some]


def simplest(model: ProtocolModel, outcome: str) -> tuple[Case, list[Move]] | None:
    """Return the first case, smallest first, in which `outcome` happens, and a schedule of it."""
    for vcpus in cases(model.pages, 3):
        moves = Checker(model.protocol, vcpus, harvests=1).witness(outcome)
        if moves is None:
            moves = Checker(model.protocol, vcpus).witness(outcome)
        if moves is not None:
            return vcpus, moves
    return None
