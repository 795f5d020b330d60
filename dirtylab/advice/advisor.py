"""Advice: the cheapest structure for an epoch, the costs of all, and where the choice changes."""

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np

from dirtylab import _check
from dirtylab._caches import GUEST_RAN
from dirtylab._check import Array
from dirtylab._format import nbytes_text
from dirtylab._units import parse_bytes, parse_frames, parse_pages, parse_seconds
from dirtylab.advice.answer import (
    CALIBRATED,
    REACH,
    Advice,
    AdviceChange,
    Option,
    Question,
    outside,
    ties,
)
from dirtylab.advice.beside import beside_text, measured_beside
from dirtylab.advice.calibration import current_model
from dirtylab.advice.model import Model
from dirtylab.advice.probe import probe
from dirtylab.datasets import require, written
from dirtylab.native.contestants import named
from dirtylab.structures import STRUCTURES, tuned
from dirtylab.theory.crossover import crossings
from dirtylab.theory.features import has_work_law
from dirtylab.theory.memory import known_bytes
from dirtylab.theory.occupancy import has_occupancy_law
from dirtylab.theory.operations import Pattern

POINTS = 60
"""Points of a curve on which crossovers are searched."""
SHOWN = 4
MOST_LENGTH = 4096


def advise(
    pages: int | str,
    dirty: float | str,
    dataset: str = "random",
    *,
    period: float | str | None = None,
    memory_limit: int | str | None = None,
    cache: str = GUEST_RAN,
    model: Model | None = None,
    trackers: Sequence[str] = (),
    probed: bool = False,
    **options: Any,
) -> Advice:
    """Rank the structures for a whole epoch: insert in order of arrival, then a harvest.

    Parameters
    ----------
    pages : int or str
        Size of the slot, also as ``"10M"`` or ``"64GiB"`` of guest memory.
    dirty : int, float or str
        Frames written in an epoch, repeats included; a float up to 1 is a share of the pages, and
        so are ``"1%"`` and ``"0.01"``.
    dataset : str, optional
        Pattern, a name in ``dirtylab.DATASETS`` other than ``trace``.
    period : float or str, optional
        Time between harvests, in seconds or as ``"100ms"``; tracking is shown as a share of it.
    memory_limit : int or str, optional
        Most bytes that the structure may take, or ``"2MiB"``.
    cache : {"guest-ran", "warm"}, optional
        What the caches hold: other memory, as a guest leaves that ran between harvests, or what the
        structure just used.  A model that is given has its own.
    model : Model, optional
        Cost model; this machine's own when omitted, or where there is none that of the recorded
        machine most like it.
    trackers : sequence of str, optional
        Paths of native trackers, such as ``"./mine.c"``.  No model knows them: whole epochs of them
        and of the pick are measured now, in some seconds, and told in a note.
    probed : bool, optional
        Whether a model that is not this machine's own is tried by a quick probe, in 2 seconds.
    **options
        Of the pattern, such as ``length=64``.

    Returns
    -------
    Advice
        Which prints as text; its ``pick`` names a structure.

    Raises
    ------
    ValueError, TypeError
        An argument out of range, or no structure keeps to the memory limit.

    Notes
    -----
    A list is assumed to have room for the frames of one epoch.  Cost: about 1 s, nearly all of it
    for the crossovers along three axes; :func:`ranked` alone takes some 10 ms.

    Where the pattern has no closed form there are no times and no pick: a note says how to measure
    it.  Structures without one are ranked last, without times.
    """
    question = _question(pages, dirty, dataset, options, period, memory_limit)
    brought = named(trackers)
    chosen, own = (model, False) if model is not None else current_model(cache)
    ranking = ranked(chosen, question)
    if not ranking[0].allowed:
        least = min(one.nbytes for one in ranking if one.nbytes is not None)
        raise ValueError(
            f"memory_limit={memory_limit!r}: no structure fits; the smallest takes "
            f"{nbytes_text(least)}"
        )
    changes = tuple(_changes(chosen, question, ranking)) if ranking[0].predicted else ()
    notes = tuple(_notes(question, ranking, chosen))
    if probed and not own:
        notes += (str(probe(chosen)),)
    if brought:
        pick = ranking[0].structure
        notes += (beside_text(measured_beside(
            pick, brought, dataset, options, question.pages, question.dirty, chosen.cache
        )),)  # fmt: skip
    return Advice(question, tuple(ranking), changes, notes, chosen, own, model is not None)


def ranked(
    model: Model, question: Question, structures: Sequence[str] | None = None
) -> list[Option]:
    """Return all structures by cost, ascending: of those without a time the bytes decide.

    Structures above the memory limit are last.

    Parameters
    ----------
    model : Model
        The cost model.
    question : Question
        What is asked.
    structures : sequence of str, optional
        Those to rank; all that the model knows, and those without a law, when omitted.

    Notes
    -----
    Cost: some 10 ms.
    """
    pattern = _pattern(question)
    lawless = [name for name in tuned() if not has_work_law(name)]
    names = dict.fromkeys(structures or (*model.structures, *lawless))
    return sorted((_option(model, name, question, pattern) for name in names), key=_place)


def _place(option: Option) -> tuple[bool, bool, float]:
    nbytes = math.inf if option.nbytes is None else float(option.nbytes)
    cost = option.epoch_ns if option.predicted else nbytes
    return not option.allowed, not option.predicted, cost


def _question(
    pages: int | str,
    dirty: float | str,
    dataset: str,
    options: dict[str, Any],
    period: float | str | None,
    memory_limit: int | str | None,
) -> Question:
    size = parse_pages("pages", pages, 1, 2**40)
    number = _check.integer("dirty", parse_frames("dirty", dirty, size), 1, 2**40)
    seconds = None if period is None else parse_seconds("period", period)
    limit = None if memory_limit is None else parse_bytes("memory_limit", memory_limit)
    if dataset == "trace":
        raise ValueError(
            "dataset='trace': has no closed form; describe it and give the nearest pattern"
        )
    question = Question(dataset, options, size, number, seconds, limit)
    require(dataset, size, number, options)
    return question


def _pattern(question: Question, **changed: Any) -> Pattern:
    options = dict(question.options)
    if "length" in changed:
        options["length"] = changed["length"]
    dirty = np.asarray(changed.get("dirty", question.dirty), float)
    return Pattern(question.dataset, int(changed.get("pages", question.pages)), dirty, options)


def _option(model: Model, structure: str, question: Question, pattern: Pattern) -> Option:
    kind = STRUCTURES.get(structure)
    room = kind.options_for(question.dirty) if kind else {}
    nbytes = known_bytes(structure, question.pages, **room)
    known = structure in model.structures and has_occupancy_law(pattern.dataset, pattern.options)
    insert, harvest = (
        float(model.times(structure, operation, pattern)) if known else math.nan
        for operation in ("insert", "harvest")
    )
    limit = question.memory_limit
    allowed = limit is None or (nbytes is not None and nbytes <= limit)
    return Option(structure, insert, harvest, nbytes, allowed)


def _changes(model: Model, question: Question, ranking: list[Option]) -> Iterator[AdviceChange]:
    """Yield the nearest crossovers of the pick with others, over all axes; a few in all."""
    allowed = [one.structure for one in ranking if one.allowed and one.predicted]
    found = []
    for axis, places, curve in _axes(model, question):
        curves = {name: curve(name) for name in allowed}
        own = curves[allowed[0]]
        for other in allowed[1:]:
            here = float(getattr(question, axis, None) or question.options.get("length", 1))
            at = [place for place in crossings(places, own / curves[other]) if place != here]
            if at:
                nearest = min(at, key=lambda place: abs(np.log(place / here)))
                beyond = outside(axis, nearest)
                found.append(
                    AdviceChange(other, axis, float(nearest), float(nearest / here), beyond)
                )
    found.sort(key=lambda one: abs(np.log(one.factor)))
    yield from found[:SHOWN]


def _axes(model: Model, question: Question) -> Iterator[tuple[str, Array, Callable[[str], Array]]]:
    """Yield each axis with its points, and the cost of an epoch along it."""
    dirty = _around(question.dirty, 1, max(question.dirty, question.pages))
    along_dirty = _pattern(question, dirty=dirty)
    yield "dirty", dirty, lambda name: model.times(name, "epoch", along_dirty)
    sizes = _around(question.pages, max(64, min(question.dirty, question.pages)), 2**40)
    patterns = [_pattern(question, pages=size) for size in sizes]
    yield "pages", sizes, lambda name: _stacked(model, name, patterns)
    if question.options.get("length"):
        lengths = _around(question.options["length"], 1, min(MOST_LENGTH, question.pages))
        runs = [_pattern(question, length=int(length)) for length in lengths]
        yield "length", lengths, lambda name: _stacked(model, name, runs)


def _stacked(model: Model, structure: str, patterns: list[Pattern]) -> Array:
    return np.array([float(model.times(structure, "epoch", one)) for one in patterns])


def _around(middle: float, least: float, most: float) -> Array:
    low, high = max(middle / REACH, least), min(middle * REACH, max(most, middle))
    places: Array = np.unique(np.round(np.geomspace(low, max(high, low), POINTS)))
    return places


def _notes(question: Question, ranking: list[Option], model: Model) -> Iterator[str]:
    if not has_occupancy_law(question.dataset, question.options):
        yield measured_only(question)
    else:
        yield from _notes_on_structures(question, ranking, model)
    if not ranking[0].predicted:
        return
    first = ranking[0]
    if close := ties(ranking, model):
        names = " and ".join(close)
        yield f"{names}: within the model's error of {first.structure}, a tie; choose either"
    if question.period is not None and first.epoch_ns > 1e9 * question.period:
        yield f"even {first.structure} takes longer than the period of {question.period:g} s"
    for axis, value in (("pages", question.pages), ("dirty", question.dirty)):
        if outside(axis, value):
            low, high = CALIBRATED[axis]
            yield f"{axis}: {value:,} is outside of what was calibrated, {low:,} … {high:,}"


def measured_only(question: Question, structure: str = "") -> str:
    """Return why a pattern or a structure has no times, and how to measure them."""
    pattern = written(question.dataset, question.options)
    whose = f"--structures {structure} " if structure else ""
    return (
        f"{structure or question.dataset} has no closed form: measured only; dirtylab sweep {whose}"
        f"--datasets {pattern} --pages {question.pages} --dirty {question.dirty} measures it"
    )


def _notes_on_structures(question: Question, ranking: list[Option], model: Model) -> Iterator[str]:
    """Yield the structures that the model knows no time of."""
    for one in ranking:
        if not one.predicted:
            yield measured_only(question, one.structure)
    later = [name for name in tuned() if has_work_law(name) and name not in model.structures]
    if later:
        yield f"{', '.join(later)}: not in this model: measured only, until a new calibration"
