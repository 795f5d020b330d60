"""What a protocol is to the checker: programs of atomic steps, and how an insert can end."""

from collections.abc import Callable, Generator
from typing import Any, NamedTuple

RIGHT, DUPLICATE, LATE, LOST = "right", "duplicate", "late", "lost"


OUTCOMES = (RIGHT, DUPLICATE, LATE, LOST)
"""From best to worst; a schedule counts as its worst insert."""


class Step(NamedTuple):
    """One atomic operation on one word of shared memory."""

    action: str
    """``write`` (the page), ``or``, ``and``, ``exchange``, ``add``, ``load`` or ``store``."""
    place: str = ""
    value: int = 0
    wanted: bool = True
    """Whether the program uses the result; if not, states need not differ in it."""


class AnyOrder(NamedTuple):
    """Steps that a processor may do in any order; no result."""

    steps: tuple[Step, ...]


class Report(NamedTuple):
    """Frames handed on, in the very step before."""

    frames: tuple[int, ...]


WRITE = Step("write", wanted=False)


Program = Generator[Step | AnyOrder | Report, Any, Any]
"""Returns the state that its thread passes to its next call."""


class Protocol(NamedTuple):
    """The insert and harvest programs of one structure."""

    name: str
    places: tuple[str, ...]
    """Words of shared memory, all 0 in the beginning."""
    insert: Callable[[int, int, Any], Program]
    """``(vcpu, frame, carried)``."""
    harvest: Callable[[Any], Program]
    """``(carried)``."""
