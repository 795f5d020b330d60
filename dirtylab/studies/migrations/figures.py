"""Figures of migrations: where a tracker changes the verdict, how right the model is, one run."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.patches import Patch
from matplotlib.ticker import LogLocator, NullLocator

from dirtylab._format import count_text, nbytes_text, ns_text, share_text
from dirtylab._units import PAGE_BYTES
from dirtylab.figures._rc import under_own_rc
from dirtylab.figures.style import (
    FAINT,
    INK,
    Picture,
    finished,
    label_ticks,
    new_figure,
    small_print,
    style_axes,
)
from dirtylab.migration.border import Link, rho_map
from dirtylab.migration.costs import SHIPPED, Costs, costs_of
from dirtylab.migration.fidelities import compared
from dirtylab.migration.precopy import migrated
from dirtylab.migration.tracking import tracking
from dirtylab.studies.live.looks import KERNEL
from dirtylab.studies.migrations.courses import RecordedCourse
from dirtylab.studies.migrations.judge import expected, prepare
from dirtylab.studies.migrations.runs import RecordedRun
from dirtylab.studies.migrations.store import known_costs

ENDS, SLOWED, NEVER = range(3)
"""It converges; only because tracking slows the guest; it does not."""
AREAS = {ENDS: "#CFE3F5", SLOWED: "#8CC29B", NEVER: "#F3C9B4"}
WORDS = {
    ENDS: "converges", SLOWED: "converges, as tracking slows the guest", NEVER: "never ends",
}  # fmt: skip
LINKS = (10.0, 25.0)
"""Gbit/s of the map's panels."""
DOWNTIME = 0.3
RATES = np.geomspace(1e3, 1e8, 121)
SETS = np.round(np.geomspace(2**12, 2**26, 85)).astype(np.int64)
_PATTERN = "random"
_TCG = "#0B6E99"


def verdicts(
    dataset: str, working_sets: npt.ArrayLike, rates: npt.ArrayLike, link: Link
) -> npt.NDArray[np.int8]:
    """Return :data:`ENDS`, :data:`SLOWED` or :data:`NEVER` over working sets and rates.

    Parameters
    ----------
    dataset : str
        Pattern of the writes.
    working_sets, rates : array_like
        Pages, shape ``(m,)``, and writes a second, shape ``(n,)``.
    link : Link
        Link, VMM and tracker.
    """
    free = link._replace(cost=tracking("none", dataset, {}, 1, link.costs))
    tracked, alone = (rho_map(dataset, working_sets, rates, one) < 1 for one in (link, free))
    return np.where(alone, ENDS, np.where(tracked, SLOWED, NEVER)).astype(np.int8)


class _Panel(NamedTuple):
    tracker: str
    gbit: float
    verdicts: npt.NDArray[np.int8]


def _panels(costs: Costs) -> list[_Panel]:
    return [
        _Panel(tracker, gbit, verdicts(_PATTERN, SETS, RATES, Link(
            1e9 * gbit / 8, DOWNTIME, costs, tracking(tracker, _PATTERN, {}, 2**18, costs))))
        for gbit in LINKS
        for tracker in ("kvm-log", "kvm-ring:4096")
    ]  # fmt: skip


def verdict_lines(name: str = SHIPPED) -> list[str]:
    """Return where a tracker changes the verdict, in words, by the costs of a recorded machine."""
    costs = costs_of(name)
    enough = costs.page_bytes / costs.first_write_s
    first = (
        f"The first write to each page costs the guest {ns_text(1e9 * costs.first_write_s)}: "
        f"tracked, it dirties at most {enough / 1e9:.2g} GB ({8 * enough / 1e9:.2g} Gbit) a second "
        "however fast it is, and on a faster link it always converges, slowed."
    )
    return [first, *(_verdict_line(one) for one in _panels(costs))]


def _verdict_line(one: _Panel) -> str:
    share = float((one.verdicts == SLOWED).mean())
    told = (
        f"changes the verdict in {share_text(share)} of the map" if share else "changes no verdict"
    )
    return f"{one.gbit:g} Gbit/s, {one.tracker}: {told}."


@under_own_rc
def verdict_map_picture(name: str = SHIPPED) -> Picture:
    """Draw over rate and working set where a tracker changes the verdict.

    Parameters
    ----------
    name : str, optional
        Recorded machine that the costs are of.
    """
    costs = costs_of(name)
    panels = _panels(costs)
    figure = new_figure(8.6, 6.2)
    axes = figure.subplots(2, 2, sharex=True, sharey=True)
    for ax, one in zip(axes.flat, panels, strict=True):
        _draw_map(ax, one)
    changed = sorted({one.gbit for one in panels if (one.verdicts == SLOWED).any()})
    told = " and ".join(f"{gbit:g}" for gbit in changed)
    title = (
        f"Tracking changes the verdict at {told} Gbit/s: it slows the guest"
        if changed else "Tracking changes no verdict on these links"
    )  # fmt: skip
    figure.suptitle(title, x=0.01, ha="left", fontsize=12, fontweight="bold", color=INK)
    handles = [Patch(color=AREAS[kind], label=WORDS[kind]) for kind in AREAS]
    axes[0, 0].legend(handles=handles, loc="lower right", frameon=True, fontsize=9)
    small_print(
        figure, None,
        f"Random writes, {ns_text(1e9 * DOWNTIME, trim=True)} of downtime allowed; by rho, the new "
        f"bytes by the bytes sent in 100 ms, rules of QEMU 7.2, costs of {name}.",
    )  # fmt: skip
    lines = " ".join(verdict_lines(name))
    return finished(figure, f"Four maps of writes a second over working set. {lines}")


def _draw_map(ax: Axes, one: _Panel) -> None:
    colors = [AREAS[kind] for kind in sorted(AREAS)]
    ax.contourf(
        SETS * PAGE_BYTES, RATES, one.verdicts.T, levels=[-0.5, 0.5, 1.5, 2.5], colors=colors
    )
    look = KERNEL[one.tracker.partition(":")[0]]
    style_axes(ax, title=f"{look.label}, {one.gbit:g} Gbit/s", xlabel="working set",
               ylabel="writes a second")  # fmt: skip
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xticks([2.0**power for power in range(24, 39, 4)])
    label_ticks(ax.xaxis, nbytes_text)
    label_ticks(ax.yaxis, count_text)
    ax.minorticks_off()
    ax.grid(visible=False)
    ax.label_outer()


# --- how right -----------------------------------------------------------------------------------


@under_own_rc
def how_right_picture(
    runs: Sequence[RecordedRun], machine: dict[str, Any] | None, name: str | None = None
) -> Picture:
    """Draw expected over recorded total times.

    Parameters
    ----------
    runs : sequence of RecordedRun
        Those that converged are drawn.
    machine : dict or None
        On which they were recorded.
    name : str, optional
        Recorded machine that the costs are of; this one, where there are any.
    """
    name = name or known_costs(machine)
    costs = costs_of(name)
    figure = new_figure(6.4, 5.4)
    ax = figure.subplots()
    off = []
    for tracker, (color, marker) in _LOOKS.items():
        pairs = [(one.run.seconds, expected(one, costs)) for one in prepare(runs)
                 if one.run.converged and one.run.asked.tracker == tracker]  # fmt: skip
        ended = [(seen, found.seconds) for seen, found in pairs if found.converges]
        off += [abs(found / seen - 1) for seen, found in ended if seen >= 1]
        if ended:
            seen, found = zip(*ended, strict=True)
            ax.plot(seen, found, marker, color=color, markersize=6, label=_name_of(tracker),
                    markerfacecolor="none", markeredgewidth=1.5)  # fmt: skip
    ends = np.array([0.01, 60.0])
    ax.plot(ends, ends, color=INK, linewidth=1, zorder=1)
    ax.fill_between(ends, 0.9 * ends, ends / 0.9, color="#DDDDDD", zorder=0, label="10 % off")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(*ends)
    ax.set_ylim(*ends)
    told = f"{share_text(float(np.median(off)))} off in the median" if off else "not judged"
    title = f"Of runs over a second the time is {told}"
    style_axes(ax, title=title, xlabel="recorded total time", ylabel="expected total time")
    for axis in (ax.xaxis, ax.yaxis):
        label_ticks(axis, lambda seconds: ns_text(1e9 * seconds, trim=True))
    ax.legend(frameon=False, fontsize=9, loc="lower right")
    small_print(figure, machine, f"Runs of plain pre-copy that converged; costs of {name}.")
    return finished(figure, f"Expected over recorded total times of {len(runs)} runs, near the "
                    f"diagonal. {title}.")  # fmt: skip


_LOOKS = {
    "kvm-log": (KERNEL["kvm-log"].color, KERNEL["kvm-log"].marker),
    "kvm-ring:4096": (KERNEL["kvm-ring"].color, KERNEL["kvm-ring"].marker),
    "tcg": (_TCG, "^"),
}


def _name_of(tracker: str) -> str:
    kernel = tracker.partition(":")[0]
    return KERNEL[kernel].label if kernel in KERNEL else "TCG"


# --- one run -------------------------------------------------------------------------------------


@under_own_rc
def course_picture(
    course: RecordedCourse, machine: dict[str, Any] | None, name: str | None = None
) -> Picture:
    """Draw a recorded run beside textbook rounds, the closed form and the simulation.

    Parameters
    ----------
    course : RecordedCourse
        The run and its syncs.
    machine : dict or None
        On which it was recorded.
    name : str, optional
        Recorded machine that the costs are of; this one, where there are any.
    """
    name = name or known_costs(machine)
    asked = course.asked
    table = compared(asked._replace(costs=name))
    found = migrated(asked, costs_of(name))
    figure = new_figure(7.6, 4.4)
    ax = figure.subplots()
    rounds = found.rounds
    ax.step(rounds["seconds"], PAGE_BYTES * rounds["pending"], where="post", color=_TCG,
            linewidth=1.6, label="simulation")  # fmt: skip
    ax.plot(course.seconds, PAGE_BYTES * course.pending, "x", color=INK, markersize=8,
            markeredgewidth=1.8, label="recorded syncs")  # fmt: skip
    ax.axhline(asked.bandwidth * asked.downtime, color=INK, linestyle=":", linewidth=1)
    ax.text(0.99, asked.bandwidth * asked.downtime, "goes in the downtime allowed", fontsize=9,
            color=INK, ha="right", va="bottom", transform=ax.get_yaxis_transform())  # fmt: skip
    ends = [("textbook", table["seconds"]["textbook"], "--"),
            ("closed form", table["seconds"]["closed form"], "-."),
            ("recorded", course.run.seconds, "-")]  # fmt: skip
    for label, seconds, dashes in ends:
        ax.axvline(seconds, color=FAINT, linestyle=dashes, linewidth=1.2,
                   label=f"end, {label}: {ns_text(1e9 * seconds)}")  # fmt: skip
    ax.set_yscale("log")
    ax.yaxis.set_major_locator(LogLocator(base=4))
    ax.yaxis.set_minor_locator(NullLocator())
    label_ticks(ax.yaxis, nbytes_text)
    title = f"{len(course.seconds)} syncs, where the textbook has {table['rounds']['textbook']:,}"
    style_axes(ax, title=title, xlabel="seconds since the command", ylabel="still to send")
    ax.legend(edgecolor="none", framealpha=1.0, fontsize=9, loc="upper right")
    small_print(figure, machine, f"Run {course.label}; costs of {name}.")
    return finished(figure, f"Memory still to send after each sync of {course.label}: recorded, "
                    f"and by simulation. {title}.")  # fmt: skip
