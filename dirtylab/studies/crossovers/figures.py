"""Figures of crossovers: times and ratios against dirty frames, and all crossovers at once."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, LogLocator

from dirtylab._format import count_text, share_text
from dirtylab.advice.model import Model
from dirtylab.datasets import parsed
from dirtylab.figures._rc import under_own_rc
from dirtylab.figures.style import (
    INK,
    Picture,
    finished,
    label_ticks,
    log_log,
    look_of,
    new_figure,
    small_print,
    style_axes,
    time_label,
)
from dirtylab.measure.machine import alike
from dirtylab.structures import posted, tuned
from dirtylab.studies.crossovers.judge import named
from dirtylab.studies.crossovers.record import CrossoverStudy
from dirtylab.theory.crossover import Crossover, crossovers
from dirtylab.theory.occupancy import has_occupancy_law
from dirtylab.theory.operations import Pattern

if TYPE_CHECKING:
    import pandas as pd

FOREIGN = "The cost model is of another machine, or of another state of the caches"
"""Small print where model and study do not go together."""


@under_own_rc
def curves_picture(
    study: CrossoverStudy,
    *,
    pattern: str = "random",
    pages: int = 10_000_000,
    operation: str = "epoch",
    structures: Sequence[str] | None = None,
    against: str = "bitmap",
    model: Model | None = None,
) -> Picture:
    """Draw times against dirty frames, and below them their ratios to one structure.

    Parameters
    ----------
    study : CrossoverStudy
        Measured rounds: markers with bars from the 10th to the 90th percentile.
    pattern, pages, operation : optional
        Which curves of the study.
    structures : sequence of str, optional
        Which structures; when omitted, the tuned ones that were measured.
    against : str, optional
        Structure by whose times the others' are divided.
    model : Model, optional
        Drawn as lines, for the structures that it knows; not where it is of another kind of machine
        than the study, or of another state of the caches.

    Raises
    ------
    ValueError
        The study has no such curves.
    """
    group = _group(study, pattern, pages, operation)
    structures = study.tuned if structures is None else structures
    figure = new_figure(8.6, 8.2)
    above, below = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    crossings = []
    for name in structures:
        _draw_times(above, group, name)
        if name != against:
            crossings += [(name, one) for one in _draw_ratio(below, group, name, against)]
    foreign = model is not None and not alike(model.machine, study.machine)
    lines = _draw_model(
        above, group, structures, None if foreign else model, pattern, pages, operation
    )
    _finish_times(above, _title(operation, pattern, pages))
    _finish_ratio(below, against)
    words = [named(one, name, against, pages) for name, one in crossings]
    _mark(below, crossings)
    note = "Markers: medians, bars 10-90 %. Diamonds: crossovers with 95 % intervals. "
    if foreign:
        note += f"{FOREIGN}: no lines."
    elif model is not None:
        note += "Lines: the cost model." if lines else f"No model of {pattern}: measured only."
        without = [name for name in structures if lines and name not in lines]
        note += f" No model of {', '.join(without)}: measured only." if without else ""
    small_print(figure, study.machine, note + " " + "; ".join(words) + ".")
    alt = (
        f"Two log-log panels over the number of dirty frames, {operation} of {pages:,} pages, "
        f"{pattern}: the time of each structure, and its ratio to {against}. " + "; ".join(words)
    )
    return finished(figure, alt.rstrip(" .") + ".")


def _group(study: CrossoverStudy, pattern: str, pages: int, operation: str) -> "pd.DataFrame":
    rounds = study.rounds
    chosen = rounds[
        (rounds["set"] == "find")
        & (rounds["pattern"] == pattern)
        & (rounds["pages"] == pages)
        & (rounds["operation"] == operation)
    ]
    if chosen.empty:
        known = sorted(set(zip(rounds["pattern"], rounds["pages"], strict=True)))
        raise ValueError(f"pattern={pattern!r}, pages={pages}: must be one of {known}")
    return chosen


def _draw_times(ax: Axes, group: "pd.DataFrame", name: str) -> None:
    look = look_of(name)
    times = group.groupby("dirty")[name].quantile(np.array([0.1, 0.5, 0.9])).unstack()
    low, middle, high = (times[level].to_numpy(float) for level in (0.1, 0.5, 0.9))
    ax.errorbar(
        times.index.to_numpy(float), middle, yerr=[middle - low, high - middle],
        marker=look.marker, linestyle="none", color=look.color, label=look.label, markersize=5,
        linewidth=1, markeredgecolor="white", markeredgewidth=0.4,
    )  # fmt: skip


def _draw_model(
    ax: Axes,
    group: "pd.DataFrame",
    structures: Sequence[str],
    model: Model | None,
    pattern: str,
    pages: int,
    operation: str,
) -> list[str]:
    """Draw the model's lines; return of which structures."""
    name, options = parsed(pattern)
    known = [name for name in structures if model is not None and name in model.structures]
    if not has_occupancy_law(name, options):
        known = []
    dirty = np.geomspace(group["dirty"].min(), group["dirty"].max(), 120)
    along = Pattern(name, pages, dirty, options)
    for structure in known:
        assert model is not None
        times = model.times(structure, operation, along)
        ax.plot(dirty, times, color=look_of(structure).color, linewidth=1.2, alpha=0.75,
                linestyle=look_of(structure).dashes)  # fmt: skip
    return known


def _draw_ratio(ax: Axes, group: "pd.DataFrame", name: str, against: str) -> list[Crossover]:
    look = look_of(name)
    ratio = group.assign(ratio=group[name] / group[against])
    grid = ratio.pivot_table(index="dirty", columns="round", values="ratio").sort_index()
    x, rounds = grid.index.to_numpy(float), grid.to_numpy(float)
    ax.plot(
        x, np.median(rounds, axis=1), color=look.color, marker=look.marker, markersize=4.5,
        linewidth=1.2, markeredgecolor="white", markeredgewidth=0.4, linestyle=look.dashes,
    )  # fmt: skip
    return crossovers(x, rounds)


def _mark(ax: Axes, crossings: Sequence[tuple[str, Crossover]]) -> None:
    for name, one in crossings:
        color = look_of(name).color
        low, high = max(one.low, ax.get_xlim()[0]), min(one.high, ax.get_xlim()[1])
        ax.plot([low, high], [1, 1], color=color, linewidth=6, alpha=0.35, solid_capstyle="butt")
        ax.plot([one.at], [1], "D", color=color, markersize=8, markeredgecolor="white", zorder=5)


def _finish_times(ax: Axes, title: str) -> None:
    style_axes(ax, title=title, xlabel="", ylabel="Time")
    log_log(ax)
    label_ticks(ax.yaxis, time_label)
    ax.minorticks_off()  # they took a third of the time to draw
    ax.legend(frameon=False, fontsize=9, ncols=2, loc="upper left")


def _finish_ratio(ax: Axes, against: str) -> None:
    style_axes(
        ax, title="", xlabel="Dirty frames", ylabel=f"Time over that of the {against}",
    )  # fmt: skip
    log_log(ax)
    ax.axhline(1, color=INK, linewidth=1.2)
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    label_ticks(ax.yaxis, lambda value: f"{value:g}×")
    ax.minorticks_off()


def _title(operation: str, pattern: str, pages: int) -> str:
    name, options = parsed(pattern)
    own = "".join(f", {key} {value}" for key, value in options.items())
    words = {"epoch": "Whole epoch (insert, harvest)"}.get(operation, operation.capitalize())
    return f"{words}, {name} frames{own}, {count_text(pages)} pages"


# --- all crossovers -------------------------------------------------------------------------------


@under_own_rc
def crossovers_picture(found: "pd.DataFrame", machine: dict[str, Any], operation: str) -> Picture:
    """Return all crossovers with the bitmap, posted beside tuned, as densities with intervals.

    Parameters
    ----------
    found : pandas.DataFrame
        As :func:`dirtylab.studies.crossovers.judge.find_crossovers` returns it.
    machine : mapping
        What it was measured on.
    operation : str
        Which one.
    """
    chosen = found[(found["operation"] == operation) & found["at"].notna()]
    chosen = chosen[chosen["other"].isin(("bitmap", "posted-bitmap"))
                    | chosen["one"].isin(("bitmap", "posted-bitmap"))]  # fmt: skip
    rows = list(dict.fromkeys(zip(chosen["pattern"], chosen["pages"], strict=True)))
    figure = new_figure(8.6, 1.6 + 0.5 * len(rows))
    ax = figure.subplots()
    seen: dict[str, None] = {}
    for one in chosen.to_dict("records"):
        name = one["one"] if "bitmap" in one["other"] else one["other"]
        place = -rows.index((one["pattern"], one["pages"])) + 0.11 * (2 - _lane(name))
        look = look_of(name)
        low, high = max(one["low"], one["least"]), min(one["high"], one["most"])
        at = float(np.clip(one["at"], low, high))
        at, low, high = (value / one["pages"] for value in (at, low, high))
        label = look.label if name not in seen else None
        seen[name] = None
        known = one["low"] > 0 and np.isfinite(one["high"])
        ax.errorbar(
            at, place, xerr=[[at - low], [high - at]], marker=look.marker if known else "",
            linestyle="none", color=look.color, label=label, markersize=6, linewidth=2,
            markeredgecolor="white", markeredgewidth=0.4,
        )  # fmt: skip
    _finish_crossovers(ax, rows, operation)
    note = "Below its mark a structure is cheaper than the bitmap of its family (posted or tuned). "
    small_print(figure, machine, note + "Bars: 95 % intervals; without a mark, too close to call.")
    return finished(figure, _crossovers_alt(chosen, operation))


def _lane(name: str) -> int:
    order = (*posted(), *tuned())
    return order.index(name) % 5 if name in order else 0


def _finish_crossovers(ax: Axes, rows: Sequence[tuple[str, int]], operation: str) -> None:
    style_axes(
        ax,
        title=f"Where structures cost as much as the bitmap: {operation}",
        xlabel="Dirty share of the pages",
        ylabel="",
    )
    ax.set_xscale("log")
    label_ticks(ax.xaxis, share_text)
    labels = [f"{pattern.replace(':length=', ' of ')}, {count_text(pages)}"
              for pattern, pages in rows]  # fmt: skip
    ax.yaxis.set_major_locator(FixedLocator([-place for place in range(len(rows))]))
    ax.set_yticklabels(labels)
    ax.legend(frameon=False, fontsize=9, loc="upper left", bbox_to_anchor=(1.0, 1.0))


def _crossovers_alt(chosen: "pd.DataFrame", operation: str) -> str:
    words = [
        f"{one['one']} and {one['other']}, {one['pattern']}, {one['pages']:,} pages: "
        f"{share_text(one['at'] / one['pages'], 2)}"
        for one in chosen.to_dict("records")
    ]
    return f"Crossovers with the bitmap, {operation}, as dirty share: " + "; ".join(words) + "."
