"""The answer to a question for advice: its parts, and how it is written."""

import dataclasses
import json
import math
from collections.abc import Iterator, Sequence
from statistics import NormalDist
from typing import Any, NamedTuple

from dirtylab._caches import CACHE_TEXTS
from dirtylab._format import nbytes_text, ns_text
from dirtylab.advice.machines import difference
from dirtylab.advice.model import Model
from dirtylab.measure.machine import caption, describe_machine

REACH = 1000.0
"""Largest factor from the question within which crossovers are searched, in both directions."""
_AXES = {"dirty": "dirty frames", "pages": "pages", "length": "pages a cluster"}


CALIBRATED = {"pages": (30_000, 100_000_000), "dirty": (10, 3_000_000)}
"""Ranges of what a calibration measures."""
UNTRIED_LEAD = 0.15
"""Share taken for a model's error where it was not tried."""
_TWO_OF_THREE = NormalDist().inv_cdf(5 / 6)
"""Standard deviations within which two of three lie."""


def outside(axis: str, value: float) -> bool:
    """Return whether a value lies outside of what was calibrated; no cluster length does."""
    low, high = CALIBRATED.get(axis, (0, math.inf))
    return not low <= value <= high


def lead_of(model: Model) -> float:
    """Return the share by which a pick must be cheaper than another for this to be no tie."""
    if model.trial is None:
        return UNTRIED_LEAD
    return model.trial.error.median if model.trial.lead is None else model.trial.lead


class Question(NamedTuple):
    """What is asked."""

    dataset: str
    options: dict[str, Any]
    pages: int
    dirty: int
    period: float | None
    """Seconds between harvests."""
    memory_limit: int | None
    """Bytes."""


class Option(NamedTuple):
    """A structure's predicted cost."""

    structure: str
    insert_ns: float
    """NaN where the time is not known: it has to be measured."""
    harvest_ns: float
    nbytes: int | None
    """None where it is not known, as of a structure without a law of its memory."""
    allowed: bool
    """Whether it keeps to the memory limit."""

    @property
    def epoch_ns(self) -> float:
        """Return the time of a whole epoch."""
        return self.insert_ns + self.harvest_ns

    @property
    def predicted(self) -> bool:
        """Return whether the model knows its times."""
        return not math.isnan(self.epoch_ns)

    def as_dict(self) -> dict[str, Any]:
        """Return it ready for JSON: None for a time that is not known."""
        facts = {**self._asdict(), "epoch_ns": self.epoch_ns}
        return {name: value if value == value else None for name, value in facts.items()}


def ties(ranking: Sequence[Option], model: Model) -> tuple[str, ...]:
    """Return the structures over which the first one's lead is within the model's error."""
    known = [one for one in ranking if one.allowed and one.predicted]
    if not known:
        return ()
    most = known[0].epoch_ns * (1 + lead_of(model))
    return tuple(one.structure for one in known[1:] if one.epoch_ns < most)


def sureness(ranking: Sequence[Option], model: Model, spread: float = 1.0) -> float | None:
    """Return how likely the cheapest is the first one or one that ties with it, 0 … 1.

    Parameters
    ----------
    ranking : sequence of Option
        As :func:`dirtylab.advice.advisor.ranked` gives it.
    model : Model
        Of those times; :func:`lead_of` tells its error of ratios in two of three cells.
    spread : float, optional
        Factor by which ratios were off in a quick probe, where that is more.

    Returns
    -------
    float or None
        None where nothing is predicted.

    Notes
    -----
    The logarithm of a ratio is taken to be normal, those of different structures independent.
    """
    known = [one for one in ranking if one.allowed and one.predicted]
    if not known:
        return None
    same = {known[0].structure, *ties(ranking, model)}
    deviation = max(math.log1p(lead_of(model)), math.log(spread)) / _TWO_OF_THREE
    leads = (
        math.log(one.epoch_ns / known[0].epoch_ns) for one in known if one.structure not in same
    )
    return math.prod(NormalDist().cdf(lead / deviation) for lead in leads)


class AdviceChange(NamedTuple):
    """Where the advice changes: the other structure costs the same there."""

    other: str
    axis: str
    """``dirty``, ``pages`` or ``length``."""
    at: float
    factor: float
    """`at` as a multiple of the question's value."""
    extrapolated: bool = False
    """Whether it lies outside of what was calibrated."""


@dataclasses.dataclass(frozen=True)
class Advice:
    """Structures by cost of an epoch, ascending; those above the memory limit last."""

    question: Question
    ranking: tuple[Option, ...]
    changes: tuple[AdviceChange, ...]
    notes: tuple[str, ...]
    model: Model
    own_calibration: bool
    """Whether the model is this machine's own, found in the cache folder."""
    given: bool = False

    @property
    def pick(self) -> str | None:
        """Return the structure to choose; None where there is no prediction: measure."""
        first = self.ranking[0]
        return first.structure if first.predicted else None

    @property
    def ties(self) -> tuple[str, ...]:
        """Return the structures over which the pick's lead is within the model's error."""
        return ties(self.ranking, self.model)

    @property
    def extrapolated(self) -> bool:
        """Return whether the question lies outside of what was calibrated."""
        question = self.question
        return outside("pages", question.pages) or outside("dirty", question.dirty)

    def __str__(self) -> str:
        return "\n".join(_text_lines(self))

    def as_dict(self) -> dict[str, Any]:
        """Return it ready for JSON: times in ns, memory in bytes."""
        trial = self.model.trial
        return {
            "question": self.question._asdict(),
            "pick": self.pick,
            "ties": list(self.ties),
            "extrapolated": self.extrapolated,
            "ranking": [one.as_dict() for one in self.ranking],
            "crossovers": [one._asdict() for one in self.changes],
            "notes": list(self.notes),
            "own_calibration": self.own_calibration,
            "cache": self.model.cache,
            "machine": self.model.machine,
            "trial": trial.as_dict() if trial else None,
        }

    def as_json(self) -> str:
        """Return it as JSON."""
        return json.dumps(self.as_dict(), indent=1, ensure_ascii=False)


def _text_lines(advice: Advice) -> Iterator[str]:
    question = advice.question
    options = "".join(f" {name}={value}" for name, value in question.options.items())
    yield (
        f"{question.dirty:,} frames, {question.dataset}{options}, in a slot of "
        f"{question.pages:,} pages ({nbytes_text(4096 * question.pages)})"
        f"{': extrapolated' if advice.extrapolated else ''}"
    )
    yield ""
    yield from _table(advice)
    yield ""
    for one in advice.changes:
        way = f"{one.factor:.1f} times as many" if one.factor > 1 else f"{one.factor:.2g} of that"
        if one.axis == "length":
            way = way.replace("as many", "as long")
        beyond = ", extrapolated" if one.extrapolated else ""
        yield f"{one.other} costs as much at {one.at:,.0f} {_AXES[one.axis]} ({way}{beyond})"
    if not advice.changes and advice.pick:
        yield f"no crossover with another structure within a factor of {REACH:,.0f}"
    yield from (f"note: {note}" for note in advice.notes)
    yield ""
    yield from _sources(advice)


def _table(advice: Advice) -> Iterator[str]:
    period = advice.question.period
    share = "  of period" if period else ""
    yield f"{'':12}{'insert':>10}{'harvest':>10}{'epoch':>10}{'memory':>12}{share}"
    for one in advice.ranking:
        part = f"{one.epoch_ns / (1e7 * period):>9.3g} %" if period and one.predicted else ""
        unsure = "" if one.nbytes is not None else "may be "
        over = "" if one.allowed else f"  {unsure}above the memory limit"
        memory = "measured only" if one.nbytes is None else nbytes_text(one.nbytes)
        times = "".join(
            f"{ns_text(ns):>10}" for ns in (one.insert_ns, one.harvest_ns, one.epoch_ns)
        )
        times = times if one.predicted else f"{'measured only':>30}"
        yield f"{one.structure:12}{times}{memory:>12}{part}{over}"


def _sources(advice: Advice) -> Iterator[str]:
    machine = caption(advice.model.machine)
    if advice.given:
        yield f"by the model given, calibrated on: {machine}"
    elif advice.own_calibration:
        yield f"calibrated on this machine: {machine}"
    else:
        differs = difference(describe_machine(), advice.model.machine)
        unlike = f"differs in {differs}" if differs else "is of the same kind"
        yield f"not calibrated here (dirtylab calibrate does it); the nearest machine {unlike}:"
        yield machine
    if not advice.model.machine.get("cache"):
        yield CACHE_TEXTS[advice.model.cache]
    if advice.model.trial:
        yield str(advice.model.trial)
