"""What the view "What should I use?" says: the sentence in large type, its reasons, the table."""

import html

from dirtylab._format import nbytes_text, ns_text, share_text
from dirtylab.advice.answer import CALIBRATED
from dirtylab.advice.machines import difference
from dirtylab.advice.model import Model
from dirtylab.explore.kit.controls import named
from dirtylab.explore.kit.gestures import axes_mark, scrub
from dirtylab.explore.kit.sheet import Rectangle
from dirtylab.explore.kit.slider_steps import guest_memory
from dirtylab.explore.views.decide_answer import MEASURED, Answer, Line
from dirtylab.explore.views.decide_figure import DecideContent
from dirtylab.explore.views.decide_map import GUEST, LENGTH, Flip
from dirtylab.explore.views.looks import look
from dirtylab.measure.machine import caption, describe_machine

CACHE_NAMES = {"guest-ran": "other memory: the guest ran", "warm": "the structure: warm"}
MAP_NAMES = {LENGTH: "dirty share and run length", GUEST: "dirty share and guest memory"}
MOST_FLIPS = 2
_LONGEST = 87.0
"""Per cent of its room that the longest bar takes."""


def plain(answer: Answer) -> str:
    """Return the answer: the pick, what ties, where it flips.

    Examples of the form: ``bitmap; tree64 ties; flips to list below 0.3 % dirty or runs under 4``.
    """
    if answer.pick is None:
        return "nothing is known here: press Measure"
    parts = [answer.pick]
    if answer.ties:
        parts.append(f"{named(answer.ties)} {'ties' if len(answer.ties) == 1 else 'tie'}")
    if answer.flips:
        parts.append(f"flips to {_flips_text(answer.flips[:MOST_FLIPS])}")
    return "; ".join(parts)


def _flips_text(flips: tuple[Flip, ...]) -> str:
    told, last = [], ""
    for one in flips:
        words = _flip_text(one)
        told.append(words if one.other == last else f"{one.other} {words}")
        last = one.other
    return " or ".join(told)


def _flip_text(flip: Flip) -> str:
    beyond = " (extrapolated)" if flip.extrapolated else ""
    if flip.axis == "share":
        return f"{'below' if flip.below else 'above'} {share_text(flip.at, 1)} dirty{beyond}"
    if flip.axis == "length":
        return f"in runs {'under' if flip.below else 'over'} {flip.at:.0f}{beyond}"
    return f"{'below' if flip.below else 'above'} {guest_memory(_round(flip.at))}{beyond}"


def _round(pages: float) -> float:
    return float(f"{pages:.2g}")


def lead(content: DecideContent, bounds: Rectangle) -> str:
    """Return question, answer, and how sure it is, as HTML."""
    state, answer = content.state, content.answer
    numbers = {
        "pages": scrub("pages", "guest memory", guest_memory(state.pages)),
        "dirty": scrub("dirty", "dirty share", share_text(state.dirty)),
        "period": scrub("period", "period", seconds_text(state.period)),
        "length": scrub("length", "run length", f"{state.length:,}"),
    }
    like = f", like {html.escape(state.program)}" if state.program else ""
    pick, *rest = plain(answer).split("; ")
    others = "".join(f"; {html.escape(one)}" for one in rest)
    return (
        f'{axes_mark(bounds)}<div class="dirtylab-question">{numbers["pages"]} guest, '
        f"{numbers['dirty']} dirty each {numbers['period']} in runs of {numbers['length']}{like}:"
        f'</div><div class="dirtylab-answer"><b>{html.escape(pick)}</b>{others}</div>'
        f"{_sure_html(answer)}"
    )


def _sure_html(answer: Answer) -> str:
    """Return the bar of confidence, with its words."""
    share = 0 if answer.sure is None else round(100 * answer.sure)
    unsure = ' class="dirtylab-unsure"' if answer.sure is None else ""
    bar = f'<i aria-hidden="true"{unsure}><i style="width:{share}%"></i></i>'
    return f'<div class="dirtylab-sure">{bar} {html.escape(sure_text(answer))}</div>'


def sure_text(answer: Answer) -> str:
    """Return how sure the answer is, in words."""
    if answer.pick is None:
        return "not known"
    whom = "that nothing else is cheaper" if answer.ties else "that it is the cheapest"
    if answer.sure is None:
        if answer.measured:
            return f"{answer.source}: one median each, so no interval"
        return "not known how sure: extrapolated beyond what was calibrated"
    percent = min(max(round(100 * answer.sure), 1), 99)
    more = "over " if answer.sure > 0.99 else ""
    return f"{more}{percent} % sure {whom}: {answer.source}"


def reasons(answer: Answer, model: Model) -> str:
    """Return what the answer rests on."""
    if answer.measured:
        rest = [one.structure for one in answer.lines if one.source and one.source != MEASURED]
        more = f" {named(rest)}: by the model." if rest else ""
        return f"Times and ranking: {answer.source}.{more}"
    parts = []
    if answer.extrapolated:
        (low, high), (few, many) = CALIBRATED["pages"], CALIBRATED["dirty"]
        parts.append(
            f"Extrapolated: calibrated on {guest_memory(low)} to {guest_memory(high)} of guest "
            f"memory with {few:,} to {many:,} dirty frames; hatched, without intervals."
        )
    differs = difference(describe_machine(), model.machine)
    if differs:
        parts.append(f"The model comes from another machine; it differs in {differs}.")
    silent = [one.structure for one in answer.lines if not one.source]
    if silent:
        parts.append(f"{named(silent)}: measured only, by the button Measure.")
    return " ".join(parts) or "By the cost model of this machine."


def table(content: DecideContent) -> str:
    """Return structures with bars of time, memory, and share of the period, as HTML."""
    answer, period = content.answer, content.state.period
    most = max((one.ns for one in answer.lines if one.ns is not None), default=1.0)
    rows = "".join(_row(one, most, period, answer) for one in answer.lines)
    heads = ("", "time of an epoch", "", "of the period", "memory")
    head = "".join(f"<th>{text}</th>" for text in heads)
    return f'<table class="dirtylab-ranking"><tr>{head}</tr>{rows}</table>'


def _row(line: Line, most: float, period: float, answer: Answer) -> str:
    over = "" if line.allowed else " above the limit"
    if line.ns is None:
        cells = ["", "measured only", ""]
    else:
        cells = [_bar(line, most, answer), _time(line), share_text(line.ns / (1e9 * period), 2)]
    chosen = line.structure == answer.pick
    tied = line.structure in answer.ties
    name = html.escape(line.structure)
    name = f"<b>{name}</b>" if chosen else f"{name} (tie)" if tied else name
    nbytes = "not known" if line.nbytes is None else nbytes_text(line.nbytes)
    faded = "" if line.allowed else ' style="opacity:.6"'
    return (
        f"<tr{faded}><td>{name}</td><td>{cells[0]}</td><td>{cells[1]}</td>"
        f"<td>{cells[2]}</td><td>{nbytes}{over}</td></tr>"
    )


def _bar(line: Line, most: float, answer: Answer) -> str:
    """Return a bar with its interval; of what is extrapolated hatched, and without one."""
    long = _part(line.ns or 0.0, most)
    unsure = answer.extrapolated and line.source != MEASURED
    whisker = ""
    if line.low is not None and line.high is not None:
        left = _part(line.low, most)
        wide = max(0.5, min(_part(line.high, most), 100.0) - left)
        whisker = f'<i class="dirtylab-whisker" style="left:{left:.1f}%;width:{wide:.1f}%"></i>'
    kind = ' class="dirtylab-unsure"' if unsure else ""
    color = look(line.structure, 64).color
    return (
        f'<span class="dirtylab-bar"><i{kind} style="width:{max(long, 1):.1f}%;'
        f'background-color:{color}"></i>{whisker}</span>'
    )


def _part(ns: float, most: float) -> float:
    """Return the length of a bar in per cent; the longest leaves room for its interval."""
    return _LONGEST * ns / most


def _time(line: Line) -> str:
    how = " measured" if line.source == MEASURED else ""
    return f"{ns_text(line.ns or 0.0)}{how}"


def alt(content: DecideContent) -> str:
    """Return the picture in words."""
    state, answer = content.state, content.answer
    other = "run length" if content.map.axis == LENGTH else "guest memory"
    lines = ", ".join(f"{one.structure} {ns_text(one.ns)}" for one in answer.lines if one.ns)
    return (
        f"Map of the cheapest structure over dirty share and {other}; the guest stands at "
        f"{guest_memory(state.pages)}, {share_text(state.dirty)} dirty in runs of {state.run:,}. "
        f"{plain(answer)}. {sure_text(answer)}. An epoch takes: {lines}."
    )


def note(content: DecideContent, model: Model) -> str:
    """Return the small print."""
    trial = model.trial
    error = "not tried on held-out cells" if trial is None else (
        f"median error {share_text(trial.error.median, 2)}, leads below "
        f"{share_text(content.lead, 2)} are ties"
    )  # fmt: skip
    marks = " Filled marks: the winner measured there." if content.marks or content.now else ""
    programs = " Circles: recorded programs." if content.map.axis == LENGTH else ""
    return (
        f"Areas: cost model, {error}; faded: ties; striped: extrapolated; {caption(model.machine)}."
        f"{marks}{programs} Bars with lines: 10th to 90th percentile. The guest is the yellow "
        "ring: drag it, or use the arrow keys on the picture and on the numbers of the question."
    )


def seconds_text(seconds: float) -> str:
    """Return a period, such as 100 ms."""
    return ns_text(1e9 * seconds, trim=True)
