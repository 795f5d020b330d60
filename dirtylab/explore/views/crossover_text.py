"""What the crossovers view says: sentence, text alternative, small print, labels of places."""

import math
from collections.abc import Mapping

from dirtylab._format import count_text, ns_text, share_text
from dirtylab.advice.model import Model
from dirtylab.explore.kit.controls import named
from dirtylab.explore.kit.slider_steps import frames_label, guest_memory
from dirtylab.explore.views.cheapest import CrossoverPoint
from dirtylab.explore.views.crossover_figure import CrossoverContent, measured_at
from dirtylab.explore.views.model_curves import time_at
from dirtylab.measure.machine import caption, describe_machine

AXIS_NAMES = {"dirty": "dirty frames", "pages": "pages of the slot", "length": "cluster length"}
_BY_ERROR, _BY_BOOTSTRAP = "within its error", "95 %"


def sentence(content: CrossoverContent, *, running: bool) -> str:
    """Return the finding: by the model, as measured, and the times at the sliders' place.

    Parameters
    ----------
    content : CrossoverContent
        What is drawn.
    running : bool
        Whether a measurement is running: its points are not judged yet.
    """
    parts = [_model_sentence(content)]
    if content.measured:
        points = "; ".join(_point_text(content, one, _BY_BOOTSTRAP) for one in content.measured)
        parts.insert(0, f"Measured: {points}.")
    elif content.results is not None and not running:
        parts.insert(0, "Measured: the points show no crossover beyond their noise.")
    parts.append(_times_here(content))
    return " ".join(parts)


def farthest(content: CrossoverContent) -> tuple[str, float, float] | None:
    """Return the structure whose measured times are farthest from the model's, and both times.

    Of each structure the place counts at which the two differ by the median factor.
    """
    found = []
    for name in content.points if content.current else ():
        if name not in content.curves.ns:
            continue
        x, ns = content.points[name]
        both = [(float(median), time_at(content.curves, name, place))
                for place, median in zip(x, ns[:, 1], strict=True)]  # fmt: skip
        both.sort(key=lambda pair: math.log(pair[0] / pair[1]))
        if both:
            found.append((_label(content, name), *both[len(both) // 2]))
    return max(found, key=lambda one: abs(math.log(one[1] / one[2])), default=None)


def alt(content: CrossoverContent, finding: str) -> str:
    """Return the picture in words, `finding` among them."""
    shown = named([one.label for one in content.looks.values()])
    places = len(next(iter(content.points.values()))[0]) if content.points else 0
    measured = f" Measured points at {places} places." if content.points else ""
    return (
        f"Log-log plot of the time of {content.operation} against {AXIS_NAMES[content.axis]}, "
        f"pattern {content.pattern}, for {shown}. {finding}{measured}"
    )


def note(content: CrossoverContent, model: Model) -> str:
    """Return the small print: the model's error, machines, what was measured."""
    if content.has_law:
        parts = [f"Lines: cost model, {_error_text(model)}; fitted on {caption(model.machine)}."]
    else:
        parts = [f"The pattern {content.pattern} has no closed form: measured only."]
    if content.results is not None:
        parts.append(
            "Markers: measured here, median of interleaved rounds, bars from the 10th to the 90th "
            f"percentile; {caption(describe_machine())}."
        )
    elif content.points:
        parts.append("Faint markers: measured with other sliders.")
    without = [one.label for name, one in content.looks.items() if name not in model.structures]
    if without and content.has_law:
        parts.append(f"No model of {named(without)}: measured only.")
    return " ".join(parts)


def place_label(content: CrossoverContent, x: float) -> str:
    """Return a place on the axis in words."""
    if content.axis == "dirty":
        return f"{share_text(x / content.pages)} dirty"
    if content.axis == "pages":
        return guest_memory(x)
    number = count_text(x)
    return f"{number} page{'' if number == '1' else 's'} a cluster"


def interval_label(content: CrossoverContent, low: float, high: float) -> str:
    """Return an interval on the axis, such as 8.9–10.1 %; an unbounded end is open."""
    ends = [place_label(content, end) if 0 < end < float("inf") else "…" for end in (low, high)]
    below, above = (_without_suffix(end) for end in ends)
    unit = below.rpartition(" ")[2]
    same = unit == above.rpartition(" ")[2] and " " in below
    return f"{below.removesuffix(' ' + unit) if same else below}–{above}"


def _without_suffix(label: str) -> str:
    for suffix in (" dirty", " pages a cluster", " page a cluster"):
        label = label.removesuffix(suffix)
    return label


def _model_sentence(content: CrossoverContent) -> str:
    if not content.has_law:
        return f"The pattern {content.pattern} has no closed form: measured only; press Measure."
    if not content.regions:
        return "There is no model of these structures: press Measure."
    names = [_label(content, region.winner) for region in content.regions]
    if len(names) == 1:
        over = " all along" if len(content.curves.ns) > 1 else ", the only one with a model"
        return f"By the model {names[0]} is the cheapest{over} (differences below 10 % aside)."
    if len(content.curves.ns) == 2 or len(names) == 2:
        first, *others = content.crossovers
        end = f", and then {'; '.join(_from_there(content, others))}." if others else "."
        return f"By the model {_point_text(content, first, _BY_ERROR)}{end}"
    places = " up to ".join(_from_there(content, content.crossovers))
    return f"By the model {names[0]} is the cheapest up to {places}."


def _from_there(content: CrossoverContent, points: list[CrossoverPoint]) -> list[str]:
    return [
        f"{place_label(content, one.at)}{_beyond(one)}, from there {_label(content, one.after)}"
        for one in points
    ]  # fmt: skip


def _point_text(content: CrossoverContent, point: CrossoverPoint, kind: str) -> str:
    """Return a crossover in words, such as "tree beats bitmap below 9.4 % (95 %: 8.9–10.1 %)"."""
    before, after = _label(content, point.before), _label(content, point.after)
    if point.extrapolated:
        return f"{before} beats {after} below {place_label(content, point.at)}{_beyond(point)}"
    interval = interval_label(content, point.low, point.high)
    return f"{before} beats {after} below {place_label(content, point.at)} ({kind}: {interval})"


def _beyond(point: CrossoverPoint) -> str:
    return " (extrapolated)" if point.extrapolated else ""


def _label(content: CrossoverContent, structure: str) -> str:
    return content.looks[structure].label if structure in content.looks else structure


def _times_here(content: CrossoverContent) -> str:
    """Return the times at the sliders' place: measured ones first, in their order."""
    measured = _measured_here(content, content.here)
    parts = []
    if measured:
        parts.append(f"{_here_text(content, content.here)}, measured: {_words(content, measured)}.")
    if content.curves.x.size:
        x = min(max(content.here, float(content.curves.x[0])), float(content.curves.x[-1]))
        modelled = {name: time_at(content.curves, name, x) for name in content.curves.ns
                    if name not in measured}  # fmt: skip
        if modelled:
            where = "By the model" if measured else _here_text(content, x)
            parts.append(f"{where}: {_words(content, modelled)}.")
    return " ".join(parts)


def _measured_here(content: CrossoverContent, x: float) -> dict[str, float]:
    """Return what was measured on both sides of a place, between these points."""
    if not content.current:
        return {}
    return {
        name: measured_at(content, name, x)
        for name, (places, _) in content.points.items()
        if places.size and places[0] <= x <= places[-1]
    }


def _words(content: CrossoverContent, times: Mapping[str, float]) -> str:
    """Return structures with their times, the quickest first."""
    ordered = sorted(times.items(), key=lambda one: one[1])
    return ", ".join(f"{_label(content, name)} {ns_text(ns)}" for name, ns in ordered)


def _here_text(content: CrossoverContent, x: float) -> str:
    if content.axis == "dirty":
        return f"At {frames_label(round(x))} ({share_text(x / content.pages)})"
    if content.axis == "pages":
        return f"At {guest_memory(x)}"
    return (
        "With single-page clusters"
        if count_text(x) == "1"
        else f"With clusters of {count_text(x)} pages"
    )


def _error_text(model: Model) -> str:
    trial = model.trial
    if trial is None:
        return "not validated on held-out cells"
    median, high = (share_text(share, 2) for share in trial.error)
    return f"median error {median} ({high} at the 90th percentile) on {trial.cells} held-out cells"
