"""Figures of the cost of inserting while harvesting, and of schedules that lose a page."""

from collections.abc import Mapping, Sequence
from typing import Any

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from dirtylab import _check
from dirtylab.figures._rc import under_own_rc
from dirtylab.figures.style import (
    FAINT,
    INK,
    LOOKS,
    Look,
    Picture,
    finished,
    new_figure,
    small_print,
    style_axes,
)
from dirtylab.theory.intervals import LEAST_ROUNDS
from dirtylab.verify.checker import Move
from dirtylab.verify.exhaustive import protocol_models, simplest

Summary = Mapping[str, Any]
Value = tuple[float, float | None, float | None]
"""A median and the ends of its interval."""

NAMES = {
    "bitmap": "bitmap",
    "tree64": "tree, radix 64",
    "tree8": "tree, radix 8",
    "ring": "ring a vCPU",
    "list": "list",
    "tree64-early": "tree, radix 64, early exit",
    "tree8-early": "tree, radix 8, early exit",
    "ring-protect": "ring a vCPU, protecting",
}
"""In the order in which they are drawn; the last three may be late."""

PLACEMENTS = {
    "apart": Look("far apart", "#0072B2", "o"),
    "same node": Look("same 4,096 pages", "#007D5A", "s"),
    "same line": Look("same cache line", "#D55E00", "^"),
    "same word": Look("same word", "#882255", "D"),
}
_REGIMES = {"again": "dirty already", "new": "clean before"}


def look_of(name: str) -> Look:
    """Return a structure's look; a variant looks like its original."""
    return LOOKS[name.partition("-")[0]]


def _rows(ax: Axes, names: Sequence[str]) -> None:
    ax.set_yticks(range(len(names)), [NAMES[name] for name in names])
    ax.set_ylim(len(names) - 0.4, -0.6)
    ax.grid(visible=False, axis="y")


def _error(ax: Axes, place: float, value: Value, look: Look) -> Artist:
    """Draw a value with its interval, where there is one, on row `place`."""
    at, low, high = value
    if low is not None and high is not None:
        ax.plot([low, high], [place, place], color=look.color, linewidth=1.6)
    return ax.plot(
        [at], [place], color=look.color, marker=look.marker, markersize=7, linestyle="none"
    )[0]


def _rounds(summary: Summary) -> str:
    """Return the number of rounds and the kind of intervals, in words."""
    rounds = summary["rounds"]
    told = "95 % intervals" if rounds >= LEAST_ROUNDS else "no intervals of fewer than 6"
    return f"medians of {rounds} {'round' if rounds == 1 else 'rounds'}, {told}"


@under_own_rc
def atomic_picture(summary: Summary) -> Picture:
    """Draw the cost of an insert in one thread, atomic and plain."""
    found = summary["atomic"]
    names = [name for name in NAMES if name in found]
    figure = new_figure(9, 4.6)
    axes = figure.subplots(1, 2, sharey=True)
    for ax, (regime, told) in zip(axes, _REGIMES.items(), strict=True):
        for row, name in enumerate(names):
            one = found[name][regime]
            color = look_of(name).color
            ends = [one["plain_ns"][0], one["atomic_ns"][0]]
            ax.plot(ends, [row, row], color=color, linewidth=1.5, zorder=2)
            ax.plot(ends[0], row, marker="|", markersize=13, markeredgewidth=2.5, color=color)
            ax.plot(ends[1], row, marker="o", markersize=8, color=color)
            ax.annotate(
                f"{one['ratio'][0]:.1f}×", (max(ends), row), (9, 0), textcoords="offset points",
                fontsize=9, color=INK, va="center",
            )  # fmt: skip
        style_axes(ax, title=f"Pages {told}", xlabel="ns an insert", ylabel="")
        ax.set_xscale("log")
        ax.set_xlim(0.4, 250)
        ax.set_xticks([1, 10, 100], ["1", "10", "100"])
    _rows(axes[0], names)
    handles = [
        Line2D([], [], color=INK, marker="|", markersize=12, markeredgewidth=2.5, linestyle="none",
               label="ordinary loads and stores"),
        Line2D([], [], color=INK, marker="o", markersize=8, linestyle="none", label="atomic"),
    ]  # fmt: skip
    figure.legend(handles=handles, loc="outside upper right", ncols=2, frameon=False, fontsize=9)
    small_print(
        figure, summary["machine"],
        f"One thread; medians of {summary['rounds']} rounds. Left: 512 pages over and over. Right: "
        "32,768 at random in a slot of 8,388,608.",
    )  # fmt: skip
    told = "; ".join(
        f"{NAMES[name]} {found[name]['again']['ratio'][0]:.1f} and "
        f"{found[name]['new']['ratio'][0]:.1f}"
        for name in names
    )
    return finished(figure, f"Atomic over plain insert, pages dirty already and clean: {told}.")


def draw_vcpus(ax: Axes, summary: Summary, vcpus: int) -> list[Artist]:
    """Draw the throughput of `vcpus` over that of one, for each structure and placement."""
    found = summary["vcpus"]
    names = [name for name in NAMES if name in found]
    artists = []
    for row, name in enumerate(names):
        for step, (placement, look) in enumerate(PLACEMENTS.items()):
            value = found[name][placement][str(vcpus)]["times_one"]
            artists.append(_error(ax, row + 0.18 * (step - 1.5), value, look))
    _rows(ax, names)
    return artists


def vcpus_counts(summary: Summary) -> list[int]:
    """Return the numbers of vCPUs that were measured."""
    one = next(iter(summary["vcpus"].values()))
    return sorted(map(int, next(iter(one.values()))))


def vcpus_limit(summary: Summary, vcpus: int) -> int:
    """Return the cores available to so many vCPUs, which bound the throughput."""
    return min(vcpus, summary["machine"]["cores"])


@under_own_rc
def vcpus_picture(summary: Summary, vcpus: int = 2) -> Picture:
    """Draw the throughput of vCPUs that insert concurrently.

    Parameters
    ----------
    summary : mapping
        As :func:`dirtylab.studies.lockless.summary.recorded` returns it.
    vcpus : int, optional
        One of those measured.

    Raises
    ------
    ValueError
        That many were not measured.
    """
    counts = vcpus_counts(summary)
    if vcpus not in counts:
        raise ValueError(f"vcpus={vcpus}: must be one of {', '.join(map(str, counts))}")
    figure = new_figure(9, 5.4)
    ax = figure.subplots()
    limit = vcpus_limit(summary, vcpus)
    ax.axvline(1, color=FAINT, linewidth=1, linestyle=":")
    ax.axvline(limit, color=INK, linewidth=1, linestyle="--")
    told = "a core each" if vcpus <= limit else "every core busy"
    ax.text(limit, -0.62, told, fontsize=9, color=INK, ha="center", va="bottom")
    draw_vcpus(ax, summary, vcpus)
    noun = "vCPU" if vcpus == 1 else "vCPUs"
    style_axes(
        ax, title=f"Inserts of {vcpus} {noun} together", ylabel="",
        xlabel="throughput, as a multiple of one vCPU's",
    )  # fmt: skip
    ax.title.set_position((0, 1))
    ax.set_title(ax.get_title(loc="left"), loc="left", fontsize=11, fontweight="bold", pad=18)
    ax.set_xlim(0, 2.6 if summary["machine"]["cores"] < 3 else None)
    handles = [
        Line2D([], [], color=look.color, marker=look.marker, linestyle="none", label=look.label)
        for look in PLACEMENTS.values()
    ]
    figure.legend(
        handles=handles, loc="outside upper right", ncols=4, frameon=False, fontsize=9,
        title="frames of the vCPUs lie", title_fontsize=9,
    )  # fmt: skip
    small_print(
        figure, summary["machine"],
        f"{_rounds(summary).capitalize()}; each vCPU a thread, kept on a core; where there are "
        "more vCPUs than cores they take turns.",
    )  # fmt: skip
    return finished(figure, vcpus_alt(summary, vcpus))


def vcpus_alt(summary: Summary, vcpus: int) -> str:
    """Return the content of :func:`vcpus_picture` in words."""
    found = summary["vcpus"]
    parts = [
        f"{NAMES[name]}: "
        + ", ".join(
            f"{look.label} {found[name][placement][str(vcpus)]['times_one'][0]:.2f}"
            for placement, look in PLACEMENTS.items()
        )
        for name in NAMES
        if name in found
    ]
    return f"Throughput of {vcpus} vCPUs over that of one. {'; '.join(parts)}."


@under_own_rc
def scaling_picture(summary: Summary) -> Picture:
    """Return million inserts a second against vCPUs, a panel for each placement."""
    found, counts = summary["vcpus"], vcpus_counts(summary)
    figure = new_figure(10, 4.6)
    axes = figure.subplots(1, len(PLACEMENTS), sharey=True)
    shown = [name for name in NAMES if name in found and "-" not in name]
    for ax, (placement, look) in zip(axes, PLACEMENTS.items(), strict=True):
        for name in shown:
            values = [found[name][placement][str(n)]["million_a_second"] for n in counts]
            middle = [value[0] for value in values]
            ax.plot(range(len(counts)), middle, color=LOOKS[name].color, marker=LOOKS[name].marker)
        style_axes(ax, title=look.label, xlabel="vCPUs", ylabel="")
        ax.set_yscale("log")
        ax.set_yticks([30, 100, 300, 1000, 3000], ["30", "100", "300", "1,000", "3,000"])
        ax.set_xticks(range(len(counts)), list(map(str, counts)))
    axes[0].set_ylabel("million inserts a second, together", fontsize=10)
    handles = [
        Line2D([], [], color=LOOKS[name].color, marker=LOOKS[name].marker, label=NAMES[name])
        for name in shown
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=5, frameon=False, fontsize=9)
    small_print(figure, summary["machine"], "A vCPU is a thread kept on a core.")
    told = "; ".join(
        f"{NAMES[name]} {found[name]['apart']['1']['million_a_second'][0]:.0f} alone, "
        f"{found[name]['apart']['2']['million_a_second'][0]:.0f} with two far apart, "
        f"{found[name]['same word']['2']['million_a_second'][0]:.0f} with two in one word"
        for name in shown
    )
    return finished(figure, f"Million inserts a second against vCPUs. {told}.")


_PAUSES = {"0": "Harvests without a pause", "1000": "A harvest, 1 ms of rest, a harvest"}
_SIDES = {
    "writer": Look("an insert", "#0072B2", "o"),
    "reader": Look("a harvested frame", "#D55E00", "^"),
}


@under_own_rc
def harvest_picture(summary: Summary) -> Picture:
    """Draw times of concurrent insert and harvest over those in turns."""
    found = summary["harvest"]
    names = [name for name in NAMES if name in found]
    figure = new_figure(9, 4.8)
    axes = figure.subplots(1, 2, sharey=True)
    for ax, (pause, told) in zip(axes, _PAUSES.items(), strict=True):
        ax.axvline(1, color=FAINT, linewidth=1, linestyle=":")
        for row, name in enumerate(names):
            for step, (side, look) in enumerate(_SIDES.items()):
                _error(ax, row + 0.25 * (step - 0.5), found[name][pause][side], look)
        style_axes(ax, title=told, xlabel="time, as a multiple of the same in turns", ylabel="")
        ax.set_xscale("log")
        ticks = [0.1, 0.2, 0.5, 1, 2, 5, 10, 20]
        ax.set_xticks(ticks, [f"{tick:g}" for tick in ticks])
        ax.minorticks_off()
    _rows(axes[0], names)
    handles = [
        Line2D([], [], color=look.color, marker=look.marker, linestyle="none", label=look.label)
        for look in _SIDES.values()
    ]
    figure.legend(handles=handles, loc="outside upper right", ncols=2, frameon=False, fontsize=9)
    small_print(
        figure, summary["machine"],
        "One vCPU inserts while one thread harvests, over the same numbers of inserts and harvests "
        f"in turns in one thread; {_rounds(summary)}.",
    )  # fmt: skip
    told = "; ".join(
        f"{NAMES[name]}: insert {found[name]['0']['writer'][0]:.2f} and "
        f"{found[name]['1000']['writer'][0]:.2f}, frame {found[name]['0']['reader'][0]:.2f} and "
        f"{found[name]['1000']['reader'][0]:.2f}"
        for name in names
    )
    alt = f"Time while the other side works over time in turns, without and with a pause. {told}."
    return finished(figure, alt)


@under_own_rc
def schedule_picture(moves: Sequence[Move], title: str) -> Picture:
    """Return a schedule: a column a thread, a row a step, time going down.

    Parameters
    ----------
    moves : sequence of Move
        As :meth:`dirtylab.verify.checker.Checker.witness` returns them.
    title : str
        What happens in it.
    """
    lanes = _lanes(moves)
    figure = new_figure(2.9 * len(lanes) + 2.4, 0.34 * len(moves) + 1.3)
    ax = figure.subplots()
    bad = LOOKS["posted-list"].color
    for lane, name in enumerate(lanes):
        ax.axvline(lane, color="#DDDDDD", linewidth=1, zorder=0)
        ax.text(lane, -0.9, name, fontsize=10, fontweight="bold", color=INK, ha="center")
    for row, move in enumerate(moves):
        lane = lanes.index(_lane(move))
        late = "without" in move.note
        face = "#FBE5D6" if late else "#E8EEF7" if lane < len(lanes) - 1 else "#EAF5EF"
        ax.text(
            lane, row, move.what, fontsize=9, color=INK, ha="center", va="center",
            bbox={"boxstyle": "round,pad=0.25", "facecolor": face,
                  "edgecolor": bad if late else "#999999", "linewidth": 0.8},
        )  # fmt: skip
        changed = f"{move.before} → {move.after}" if move.before != move.after else ""
        note = "; ".join(part for part in (changed, _noted(move)) if part)
        ax.text(len(lanes) - 0.45, row, note, fontsize=9, color=bad if late else FAINT, va="center")
    ax.set_xlim(-0.6, len(lanes) + 0.35)
    ax.set_ylim(len(moves) - 0.4, -1.4)
    ax.set_axis_off()
    figure.suptitle(title, x=0.01, ha="left", fontsize=11, fontweight="bold", color=INK)
    steps = ". ".join(f"{move.thread}: {move.what}" for move in moves)
    return finished(figure, f"{title}. A schedule, step by step. {steps}.")


def _lane(move: Move) -> str:
    return "harvests" if move.thread.startswith("harvest") else move.thread


def _noted(move: Move) -> str:
    return (
        f"{move.thread} {move.note}"
        if move.thread.startswith("harvest") and move.note
        else (move.note)
    )


def _lanes(moves: Sequence[Move]) -> list[str]:
    vcpus = sorted({move.thread for move in moves if not move.thread.startswith("harvest")})
    return [*vcpus, "harvests"]


@under_own_rc
def failure_picture(name: str, outcome: str | None = None) -> Picture:
    """Draw the shortest schedule with which a protocol fails, step by step.

    Parameters
    ----------
    name : str
        Of a model in :func:`dirtylab.verify.exhaustive.protocol_models`.
    outcome : {"duplicate", "late", "lost"}, optional
        What to look for; the expected worst outcome when omitted.

    Raises
    ------
    ValueError
        No such model, or no schedule of it has that outcome.
    """
    known = {model.name: model for _, model in protocol_models()}
    model = known[_check.choice("name", name, known)]
    wanted = outcome or model.worst
    found = simplest(model, wanted)
    if found is None:
        raise ValueError(f"outcome={wanted!r}: {name} has no such schedule")
    vcpus, moves = found
    pages = {frame for frames in vcpus for frame in frames}
    told = "page" if len(pages) == 1 else "pages"
    numbers = " and ".join(map(str, sorted(pages)))
    return schedule_picture(moves, f"{name}: {wanted} ({told} {numbers})")
