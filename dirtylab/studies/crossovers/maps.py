"""Maps of the cheapest structure, and of the best radix, over density and run length."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import TwoSlopeNorm
from matplotlib.patheffects import withStroke

from dirtylab._check import Array
from dirtylab._format import count_text, share_text
from dirtylab.advice.model import Model
from dirtylab.figures._rc import under_own_rc
from dirtylab.figures.style import (
    FAINT,
    INK,
    Picture,
    finished,
    label_ticks,
    look_of,
    new_figure,
    small_print,
    style_axes,
)
from dirtylab.measure.machine import alike
from dirtylab.structures import tuned
from dirtylab.studies.crossovers.figures import FOREIGN
from dirtylab.studies.crossovers.record import CrossoverStudy
from dirtylab.theory.operations import Pattern

if TYPE_CHECKING:
    import pandas as pd

RADICES = (8, 16, 32, 64)
TIE = 0.1
"""Lead below which an area is faded, and a mark does not contradict it."""
_FADED = 0.4
MAP_LENGTHS = np.geomspace(1, 4096, 37)
MAP_DENSITIES = np.geomspace(1e-6, 0.5, 37)


@under_own_rc
def winner_map_picture(
    model: Model,
    pages: int = 10_000_000,
    *,
    structures: Sequence[str] | None = None,
    study: CrossoverStudy | None = None,
    operation: str = "epoch",
) -> Picture:
    """Return the map of the cheapest structure over density and cluster length.

    Parameters
    ----------
    model : Model
        Predicts the areas.
    pages : int, optional
        Size of the slot.
    structures : sequence of str, optional
        The structures compared; the tuned ones when omitted.  One that the model lacks has no area.
    study : CrossoverStudy, optional
        The winners that it measured are drawn as marks; not where it is of another kind of machine
        than the model, or of another state of the caches.
    operation : str, optional
        What counts.
    """
    ours = study is not None and alike(model.machine, study.machine)
    measured = study.map if study is not None and ours else None
    names = [name for name in structures or tuned()
             if measured is None or name in measured]  # fmt: skip
    without = [name for name in names if name not in model.structures]
    structures = [name for name in names if name in model.structures]
    times = _map_times(model, pages, structures, operation)
    best = times.argmin(axis=0)
    figure = new_figure(8.2, 6.0)
    ax = figure.subplots()
    ax.pcolormesh(MAP_DENSITIES, MAP_LENGTHS, _shades(times, structures), shading="nearest")
    _name_areas(ax, best, structures)
    note = "Areas: the cost model; faded: a lead below 10 %. "
    if measured is not None:
        note += _draw_winners(ax, measured, pages, names, _picks(best, structures))
        if without:  # their marks have no area that is named
            ax.legend(fontsize=9, loc="upper left")
    elif study is not None:
        note += f"{FOREIGN}: no marks."
    note += f" No model of {', '.join(without)}: measured only." if without else ""
    share = {name: float(np.mean(best == place)) for place, name in enumerate(structures)}
    first = max(share, key=lambda name: share[name])
    slot = f"{operation}, {count_text(pages)} pages"
    _finish_map(ax, f"{first} is the cheapest on {100 * share[first]:.0f} % of the map: {slot}")
    small_print(figure, model.machine, note)
    areas = ", ".join(f"{name} {100 * part:.0f} %" for name, part in share.items() if part)
    alt = f"Map of the cheapest structure over dirty share and cluster length; areas: {areas}."
    return finished(figure, alt)


@under_own_rc
def radix_map_picture(model: Model, pages: int = 10_000_000, operation: str = "epoch") -> Picture:
    """Draw the best radix of a tree over density and cluster length, and the loss of radix 64."""
    names = [f"tree{radix}" for radix in RADICES]
    times = _map_times(model, pages, names, operation)
    loss = times[-1] / times.min(axis=0)
    best = times.argmin(axis=0)
    figure = new_figure(8.6, 6.0)
    ax = figure.subplots()
    mesh = ax.pcolormesh(
        MAP_DENSITIES, MAP_LENGTHS, loss, cmap="PuOr_r", shading="nearest",
        norm=TwoSlopeNorm(1.0, 1.0 / max(loss.max(), 1.05), max(loss.max(), 1.05)),
    )  # fmt: skip
    bar = figure.colorbar(mesh, ax=ax, boundaries=np.linspace(1, max(loss.max(), 1.05), 64))
    label_ticks(bar.ax.yaxis, lambda value: f"{value:.2f}×")
    bar.set_label("Time of radix 64 over that of the best radix", fontsize=10)
    _name_areas(ax, best, names)
    _finish_map(ax, f"The best radix: {operation}, {count_text(pages)} pages")
    small_print(figure, model.machine, "Areas: the cost model; radices 8, 16, 32 and 64.")
    shares = ", ".join(
        f"{name[4:]} on {100 * np.mean(best == place):.0f} %" for place, name in enumerate(names)
    )
    return finished(figure, f"Map of the best radix of a tree: {shares} of the map.")


def _map_times(model: Model, pages: int, structures: Sequence[str], operation: str) -> Array:
    """Return times of shape (structures, lengths, densities)."""
    dirty = np.maximum(np.round(MAP_DENSITIES * pages), 1.0)
    patterns = [
        Pattern("clustered", pages, dirty, {"length": max(1, round(length))})
        for length in MAP_LENGTHS
    ]
    return np.array(
        [[model.times(name, operation, one) for one in patterns] for name in structures]
    )


def _pale(color: str) -> tuple[float, float, float]:
    red, green, blue = (int(color[place : place + 2], 16) / 255 for place in (1, 3, 5))
    return (0.45 + 0.55 * red, 0.45 + 0.55 * green, 0.45 + 0.55 * blue)


def _name_areas(ax: Axes, best: Array, structures: Sequence[str]) -> None:
    """Write each structure's name where its area is widest."""
    for place, name in enumerate(structures):
        inside = best == place
        if inside.mean() < 0.03:
            continue
        row, column = _inmost(inside)
        ax.text(
            MAP_DENSITIES[column], MAP_LENGTHS[row], look_of(name).label.replace("tree, ", ""),
            ha="center", va="center", fontsize=10, color=INK, fontweight="bold",
            path_effects=[withStroke(linewidth=3, foreground="white", alpha=0.7)],
        )  # fmt: skip


def _inmost(inside: Array) -> tuple[int, int]:
    """Return the place farthest from the edge of an area, across more than along."""
    from scipy.ndimage import distance_transform_edt

    padded = np.pad(inside, 1)
    depth = distance_transform_edt(padded, sampling=(2.0, 1.0))[1:-1, 1:-1]
    row, column = np.unravel_index(int(np.argmax(depth)), depth.shape)
    return int(row), int(column)


def _shades(times: Array, structures: Sequence[str]) -> Array:
    """Return the map's colours, shape ``(lengths, densities, 3)``: ties are faded."""
    colors = np.array([_pale(look_of(name).color) for name in structures])
    own = colors[times.argmin(axis=0)]
    if len(structures) < 2:
        return own
    lead = np.partition(times, 1, axis=0)
    tied = (lead[1] < lead[0] * (1 + TIE))[..., None]
    shades: Array = np.where(tied, 1 - (1 - own) * _FADED, own)
    return shades


def _picks(best: Array, structures: Sequence[str]) -> Callable[[float, float], str]:
    """Return a function that tells the area's structure at a density and a cluster length."""

    def pick(density: float, length: float) -> str:
        column = int(np.argmin(np.abs(np.log(MAP_DENSITIES / density))))
        row = int(np.argmin(np.abs(np.log(MAP_LENGTHS / length))))
        return structures[int(best[row, column])]

    return pick


def _draw_winners(
    ax: Axes,
    measured: "pd.DataFrame",
    pages: int,
    structures: Sequence[str],
    pick: Callable[[float, float], str],
) -> str:
    """Draw the winners measured, those that the area contradicts in a ring; return a note on them.

    An area contradicts a mark where its own structure took over a tenth longer there.
    """
    winners = measured[list(structures)].idxmin(axis=1)
    for name in structures:
        look, own = look_of(name), measured[winners == name]
        ax.plot(
            own["dirty"] / pages, own["length"], marker=look.marker, color=look.color, markersize=8,
            markeredgecolor="white", label=look.label, linestyle="none",
        )  # fmt: skip
    costs = [
        row[pick(row["dirty"] / pages, row["length"])] / min(row[name] for name in structures)
        for row in measured.to_dict("records")
    ]
    wrong = measured[np.array(costs) > 1 + TIE]
    ax.plot(
        wrong["dirty"] / pages, wrong["length"], marker="o", markersize=15, linestyle="none",
        markerfacecolor="none", markeredgecolor=INK, markeredgewidth=1.2,
    )  # fmt: skip
    most = share_text(max(costs) - 1, 2)
    return (
        f"Marks: the winner measured; in a ring, {len(wrong)} of {len(measured)} where the area's "
        f"structure took over 10 % longer, {most} at most."
    )


def _finish_map(ax: Axes, title: str) -> None:
    style_axes(
        ax, title=title, xlabel="Dirty frames, share of the pages", ylabel="Cluster length in pages"
    )
    ax.set_xscale("log")
    ax.set_yscale("log", base=2)
    ax.grid(visible=False)
    label_ticks(ax.xaxis, share_text)
    label_ticks(ax.yaxis, lambda value: f"{value:g}")
    ax.tick_params(colors=INK)
    ax.spines[:].set_color(FAINT)
