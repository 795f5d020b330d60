"""The guest of the view "What should I use?": what is asked, and the steps of its sliders."""

import dataclasses

from dirtylab import _check
from dirtylab._caches import CACHES
from dirtylab._format import nbytes_text
from dirtylab._units import parse_bytes
from dirtylab.advice.answer import Question
from dirtylab.explore.kit.slider_steps import powers_of_two
from dirtylab.explore.views import decide_measured
from dirtylab.explore.views.decide_map import AXES
from dirtylab.explore.views.programs import programs
from dirtylab.structures import STRUCTURES

SHARE_STEPS = (
    *(float(f"{lead}e{power}") for power in range(-5, 0) for lead in (1, 2, 3, 5, 7)), 1.0,
)  # fmt: skip
PERIODS = (*(float(f"{lead}e{power}") for power in range(-3, 1) for lead in (1, 2, 5)), 10.0)
LIMITS = (0, *powers_of_two(2**16, 2**33))
"""Bytes; 0: no limit."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class DecideState:
    """What the view shows: the parameters of :func:`dirtylab.explore.decide`, checked."""

    pages: int
    dirty: float
    length: int
    program: str
    period: float
    memory_limit: int
    cache: str
    over: str
    trackers: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        _check.pages(self.pages, low=64)
        _check.real("dirty", self.dirty, 1e-9, 1)
        _check.integer("length", self.length, 1, 4096)
        if self.program:
            _check.choice("program", self.program, tuple(programs()))
        _check.real("period", self.period, 1e-6, 1e6)
        _check.integer("memory_limit", self.memory_limit, 0)
        _check.choice("cache", self.cache, CACHES)
        _check.choice("over", self.over, AXES)
        for name in self.trackers:
            _check.choice("trackers", name, tuple(STRUCTURES))

    def like_program(self) -> "DecideState":
        """Return this with the dirty share and the run length of its recorded program, if any."""
        if not self.program:
            return self
        found = programs()[self.program]
        share, length = float(f"{found.share:.2g}"), max(1, round(found.length))
        return dataclasses.replace(self, dirty=share, length=length)

    @property
    def frames(self) -> int:
        """Dirty frames of a period: one run at least."""
        return min(self.pages, max(1, round(self.dirty * self.pages)))

    @property
    def run(self) -> int:
        """Run length, no longer than what is dirty."""
        return min(self.length, self.frames)

    @property
    def question(self) -> Question:
        """The question as the advice takes it."""
        limit = self.memory_limit or None
        return Question(
            "clustered", {"length": self.run}, self.pages, self.frames, self.period, limit
        )

    @property
    def cell(self) -> decide_measured.Cell:
        """What a measurement of this guest is."""
        return decide_measured.Cell(self.pages, self.frames, self.run, self.program, self.cache)


def limit_text(nbytes: int) -> str:
    """Return a memory limit in words."""
    return nbytes_text(nbytes) if nbytes else "no limit"


def read_limit(text: str) -> int:
    """Return the bytes of a limit that was typed, 0 for none."""
    none = text.strip().lower() in ("", "0", "no", "none", "no limit")
    return 0 if none else parse_bytes("memory_limit", text)
