"""The answer for one guest: measured where it was measured, else by the model."""

import math
from collections.abc import Sequence
from typing import NamedTuple

from dirtylab.advice.answer import Option, Question, lead_of, outside, sureness, ties
from dirtylab.advice.model import Model
from dirtylab.explore.views.decide_map import Flip, WinnerMap, flips
from dirtylab.explore.views.decide_measured import Found, Judged, judged
from dirtylab.structures import STRUCTURES
from dirtylab.theory.memory import known_bytes

MEASURED, MODEL = "measured", "model"


class Line(NamedTuple):
    """A structure's cost for this guest."""

    structure: str
    ns: float | None
    """Of an epoch; None where it has to be measured."""
    low: float | None
    """Lower end of its interval; None where it has none."""
    high: float | None
    nbytes: int | None
    allowed: bool
    """Whether it keeps to the memory limit."""
    source: str
    """``measured``, ``model``, or nothing where it is not known."""


class Answer(NamedTuple):
    """What to use, how sure that is, and where it changes."""

    pick: str | None
    """None where nothing is known: measure."""
    ties: tuple[str, ...]
    sure: float | None
    """How likely nothing else is cheaper; None where that is not known."""
    source: str
    """Where pick and times come from, in words."""
    measured: bool
    extrapolated: bool
    """Whether the model was not calibrated there."""
    lines: tuple[Line, ...]
    """The cheapest first; those above the memory limit last."""
    flips: tuple[Flip, ...]
    """By the model; none where a measurement contradicts its pick."""
    farthest: tuple[str, float, float] | None
    """The structure whose measured time is farthest from the model's, and both."""


def answer(
    options: Sequence[Option],
    model: Model,
    question: Question,
    known: WinnerMap,
    trackers: Sequence[str],
    found: Found | None,
    *,
    spread: float = 1.0,
) -> Answer:
    """Return the answer.

    Parameters
    ----------
    options : sequence of Option
        As :func:`dirtylab.advice.advisor.ranked` gives them.
    model : Model
        Of those times.
    question : Question
        What is asked.
    known : WinnerMap
        The map on which flips are searched; none where it is not complete.
    trackers : sequence of str
        Structures that are measured only.
    found : Found or None
        What was measured of this guest.
    spread : float, optional
        Factor by which the model's ratios were off in a probe.
    """
    beyond = outside("pages", question.pages) or outside("dirty", question.dirty)
    predicted = [_predicted(one, model, beyond) for one in options]
    others = [_unknown(name, question) for name in trackers
              if name not in {one.structure for one in options}]  # fmt: skip
    first = options[0] if options and options[0].predicted and options[0].allowed else None
    close = ties(options, model)
    if found is None:
        sure = None if beyond else sureness(options, model, spread)
        pick, source = (first.structure if first else None), "by the cost model"
        lines = [*predicted, *others]
        return Answer(pick, close, sure, source, False, beyond, tuple(lines),
                      _flips(known, question, first, model), None)  # fmt: skip
    seen = judged(found)
    lines = _measured(seen, [*predicted, *others], question)
    allowed = [one.structure for one in lines if one.allowed and one.source == MEASURED]
    pick = allowed[0] if allowed else None
    tied = tuple(name for name in seen.ties if name in allowed[1:]) if allowed else ()
    agrees = first is not None and pick == first.structure
    return Answer(
        pick, tied, seen.sure if allowed and allowed[0] == next(iter(seen.medians)) else None,
        found.source, True, beyond, tuple(lines),
        _flips(known, question, first, model) if agrees else (),
        _farthest(seen, predicted),
    )  # fmt: skip


def _predicted(one: Option, model: Model, beyond: bool) -> Line:
    """Return a line by the model: with an interval by its trial, but none where extrapolated."""
    if not one.predicted:
        return Line(one.structure, None, None, None, one.nbytes, one.allowed, "")
    high = None if model.trial is None or beyond else 1 + model.trial.error.high
    low, top = (one.epoch_ns / high, one.epoch_ns * high) if high else (None, None)
    return Line(one.structure, one.epoch_ns, low, top, one.nbytes, one.allowed, MODEL)


def _unknown(name: str, question: Question) -> Line:
    room = STRUCTURES[name].options_for(question.dirty) if name in STRUCTURES else {}
    nbytes = known_bytes(name, question.pages, **room)
    return Line(name, None, None, None, nbytes, _fits(nbytes, question.memory_limit), "")


def _fits(nbytes: int | None, limit: int | None) -> bool:
    return limit is None or (nbytes is not None and nbytes <= limit)


def _measured(seen: Judged, lines: Sequence[Line], question: Question) -> list[Line]:
    """Return lines with what was measured first."""
    known = {one.structure: one for one in lines}
    for name, median in seen.medians.items():
        line = known.get(name) or _unknown(name, question)
        low, high = seen.ranges[name]
        known[name] = line._replace(ns=median, low=low, high=high, source=MEASURED)
    return sorted(known.values(), key=_place)


def _place(line: Line) -> tuple[bool, bool, float]:
    return not line.allowed, line.source != MEASURED, math.inf if line.ns is None else line.ns


def _flips(
    known: WinnerMap, question: Question, first: Option | None, model: Model
) -> tuple[Flip, ...]:
    if not known.complete or first is None or first.structure not in known.names:
        return ()
    value = question.options["length"] if known.axis == "run length" else question.pages
    share = question.dirty / question.pages
    found = flips(
        known, question.memory_limit, (share, float(value)), first.structure, lead_of(model)
    )
    return tuple(found)


def _farthest(seen: Judged, lines: Sequence[Line]) -> tuple[str, float, float] | None:
    """Return the structure that the model is farthest off for."""
    both = [(one.structure, seen.medians[one.structure], one.ns) for one in lines
            if one.ns is not None and one.structure in seen.medians]  # fmt: skip
    if not both:
        return None
    return max(both, key=lambda one: abs(math.log(one[1] / one[2])))
