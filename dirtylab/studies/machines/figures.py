"""Crossovers by machine, as dirty share."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator

from dirtylab._caches import CACHE_TEXTS, GUEST_RAN, WARM
from dirtylab._format import count_text, share_text
from dirtylab.advice.machines import RecordedMachine
from dirtylab.advice.model import Model
from dirtylab.datasets import parsed
from dirtylab.figures._rc import under_own_rc
from dirtylab.figures.style import (
    INK,
    Picture,
    finished,
    label_ticks,
    new_figure,
    small_print,
    style_axes,
)
from dirtylab.measure.machine import caption
from dirtylab.studies.machines.judge import crossings_by_machine
from dirtylab.theory.crossover import crossings
from dirtylab.theory.operations import Pattern

PAIRS = (("list", "bitmap"), ("list", "tree64"), ("tree64", "bitmap"))
PATTERNS = ("random", "clustered:length=64")
PAGES = (1_000_000, 10_000_000, 100_000_000)
_COLORS = ("#0072B2", "#D55E00", "#007D5A", "#882255", "#666666")
_MARKERS = ("o", "s", "D", "^", "v")
_POINTS = 240


class _Mark(NamedTuple):
    machine: str
    row: int
    share: float
    low: float
    high: float
    measured: bool


@under_own_rc
def carried_picture(machines: Sequence[RecordedMachine]) -> Picture:
    """Draw where structures cost the same on each machine: measured, or by its model.

    Parameters
    ----------
    machines : sequence of RecordedMachine
        Each with a model or measured crossovers of the state of the caches that most machines
        have; others have no marks.
    """
    cache = _most_common(machines)
    rows = [(pair, pattern, pages) for pair in PAIRS for pattern in PATTERNS for pages in PAGES]
    marks = [*_measured(machines, rows, cache), *_modelled(machines, rows, cache)]
    known = {(mark.machine, mark.row) for mark in marks if mark.measured}
    marks = [m for m in marks if m.measured or (m.machine, m.row) not in known]
    figure = new_figure(8.6, 7.4)
    ax = figure.subplots()
    names = [one.name for one in machines if any(mark.machine == one.name for mark in marks)]
    for number, name in enumerate(names):
        _draw(ax, [mark for mark in marks if mark.machine == name], number, len(names), name)
    labels = [
        f"{one} and {other}, {pattern.replace(':length=', ' of ')}, {count_text(pages)}"
        for (one, other), pattern, pages in rows
    ]
    style_axes(ax, title="", xlabel="Dirty share at which both cost the same", ylabel="")
    figure.suptitle(_title(marks), x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
    ax.set_xscale("log")
    label_ticks(ax.xaxis, share_text)
    ax.yaxis.set_major_locator(FixedLocator([-place for place in range(len(rows))]))
    ax.set_yticklabels(labels)
    for place in range(1, len(rows)):
        ax.axhline(0.5 - place, color="#E5E5E5", linewidth=0.6, zorder=0)
    ax.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(0.0, -0.08), ncols=2)
    note = f"Whole epochs; {CACHE_TEXTS[cache]}. Filled: measured, with 95 % intervals. Hollow: "
    told = "; ".join(
        f"{one.name}: {caption({**one.machine, 'cache': None})}"
        for one in machines
        if one.name in names
    )
    small_print(figure, None, f"{note}by the machine's cost model. No mark: no crossing. {told}.")
    return finished(figure, _alt(marks, labels))


def _most_common(machines: Sequence[RecordedMachine]) -> str:
    """Return the state of the caches that most machines have recorded; guest-ran of two alike."""
    measured = crossings_by_machine(machines)
    known = {
        cache: {one.name for one in machines if one.model(cache) is not None}
        | ({*measured[measured["cache"] == cache]["machine"]} if len(measured) else set())
        for cache in (GUEST_RAN, WARM)
    }
    return max(known, key=lambda cache: len(known[cache]))


def _measured(machines: Sequence[RecordedMachine], rows: Sequence[Any], cache: str) -> list[_Mark]:
    found = crossings_by_machine(machines)
    if found.empty:
        return []
    found = found[(found["cache"] == cache) & found["share"].notna()]
    marks = []
    for row in found.to_dict("records"):
        for pair in ((row["one"], row["other"]), (row["other"], row["one"])):
            key = pair, row["pattern"], row["pages"]
            if key in rows and row["low"] > 0 and np.isfinite(row["high"]):
                low, high = row["low"] / row["pages"], row["high"] / row["pages"]
                marks.append(
                    _Mark(row["machine"], rows.index(key), row["share"], low, high, measured=True)
                )
    return marks


def _modelled(machines: Sequence[RecordedMachine], rows: Sequence[Any], cache: str) -> list[_Mark]:
    models = [(one.name, model) for one in machines if (model := one.model(cache)) is not None]
    return [
        _Mark(name, place, share, share, share, measured=False)
        for name, model in models
        for place, row in enumerate(rows)
        for share in _shares(model, *row)
    ]


def _shares(model: Model, pair: tuple[str, str], pattern: str, pages: int) -> list[float]:
    name, options = parsed(pattern)
    dirty = np.geomspace(10, pages / 3, _POINTS)
    along = Pattern(name, pages, dirty, options)
    one, other = (model.times(structure, "epoch", along) for structure in pair)
    return [float(at) / pages for at in crossings(dirty, one / other)]


def _draw(ax: Axes, marks: Sequence[_Mark], number: int, machines: int, name: str) -> None:
    color, marker = _COLORS[number % len(_COLORS)], _MARKERS[number % len(_MARKERS)]
    shift = 0.5 * ((number + 0.5) / machines - 0.5)
    label: str | None = name
    for mark in marks:
        ax.errorbar(
            mark.share, -mark.row - shift, xerr=[[mark.share - mark.low], [mark.high - mark.share]],
            marker=marker, color=color, markersize=6, linewidth=1.6, linestyle="none", label=label,
            markerfacecolor=color if mark.measured else "white", markeredgecolor=color,
        )  # fmt: skip
        label = None


def _title(marks: Sequence[_Mark]) -> str:
    single: dict[tuple[str, int], list[float]] = {}
    for mark in marks:
        single.setdefault((mark.machine, mark.row), []).append(mark.share)
    by_row: dict[int, list[float]] = {}
    for (_, row), shares in single.items():
        if len(shares) == 1:
            by_row.setdefault(row, []).append(shares[0])
    factors = [max(shares) / min(shares) for shares in by_row.values() if len(shares) > 1]
    if not factors:
        return "Where structures cost the same"
    middle, most = np.median(factors), max(factors)
    return f"Crossovers move by {middle:.1f}× from machine to machine, {most:.0f}× at most"


def _alt(marks: Sequence[_Mark], labels: Sequence[str]) -> str:
    words = [
        f"{labels[mark.row]}, on {mark.machine}{'' if mark.measured else ' (model)'}: "
        f"{share_text(mark.share, 2)}"
        for mark in sorted(marks, key=lambda one: (one.row, one.machine))
    ]
    return "Crossovers as dirty share, by machine. " + "; ".join(words) + "."
