"""The view "Will it converge?": a live migration, with the cost of tracking in it and without."""

import dataclasses
import functools
import math
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dirtylab._format import count_text, ns_text
from dirtylab._units import PAGE_BYTES, parse_rate, parse_seconds
from dirtylab.explore.kit.axes import table_html
from dirtylab.explore.kit.controls import Choice, Control, Slider
from dirtylab.explore.kit.figure_view import FigureView
from dirtylab.explore.kit.kernel_loop import Coalesced
from dirtylab.explore.kit.slider_steps import nearest, pages_read, with_value
from dirtylab.explore.views.looks import look
from dirtylab.explore.views.migration_figure import (
    BAR,
    LEFT,
    RATES,
    RIGHT,
    SIZE,
    MigrationArtists,
    MigrationContent,
    course,
    map_place,
    sizes,
)
from dirtylab.explore.views.migration_state import (
    BANDWIDTHS,
    DOWNTIMES,
    FASTEST,
    GUESTS,
    NO_RUN,
    PACES,
    SETS,
    MigrationState,
    bandwidth_text,
    patterns,
    rate_text,
    read_rate,
    trackers,
)
from dirtylab.migration.answer import Migration
from dirtylab.migration.border import Link, fastest, law, rho_map, written_in
from dirtylab.migration.closed import ClosedForm, Line, closed_form, is_scattered
from dirtylab.migration.costs import costs_of, recorded_costs
from dirtylab.migration.precopy import migrated
from dirtylab.migration.question import SPEED
from dirtylab.migration.tracking import Tracking, tracking
from dirtylab.structures import tuned
from dirtylab.studies.live.looks import KERNEL
from dirtylab.studies.migrations.courses import courses
from dirtylab.studies.migrations.figures import verdicts

if TYPE_CHECKING:
    import pandas as pd

_MOST_SYNCS = 1000
_QUIET = 0.25
"""Seconds without a change after which the migration is simulated."""
_MOST_SIMULATED = 3e7
"""Pages sent and writes, about, beyond which no simulation is begun: a second or two."""


class MigrationView(FigureView[MigrationState, MigrationContent]):
    """The migration view: the closed form at once, the simulation when the sliders rest.

    Parameters
    ----------
    state, usual : MigrationState
        What is shown, and what Copy parameters leaves out.
    """

    function = "migration"
    title = "Will it converge?"
    size = SIZE
    rectangles = (LEFT, BAR, RIGHT)
    artists = MigrationArtists
    pick_label = "Map: click, or press arrow keys, to choose rate and working set"

    def __init__(self, state: MigrationState, usual: MigrationState) -> None:
        self._answers: dict[MigrationState, Migration] = {}
        self._lock = threading.Lock()
        self._busy = False
        self._settled = Coalesced(self._begin, _QUIET)
        super().__init__(state, usual)

    # --- controls -------------------------------------------------------------------------------

    def controls(self) -> Sequence[Control]:
        """Return the controls."""
        state = self.state
        sets = tuple(one for one in SETS if one <= state.pages)
        return [
            Slider("pages", "guest", with_value(GUESTS, state.pages), state.pages, pages_read),
            Slider("working_set", "working set", with_value(sets, state.working_set),
                   state.working_set, pages_read),
            Slider("rate", "writes a second", with_value(PACES, state.rate), state.rate, rate_text,
                   read_rate),
            Choice("dataset", "pattern", patterns(), state.dataset),
            Slider("bandwidth", "bandwidth", with_value(BANDWIDTHS, state.bandwidth),
                   state.bandwidth, bandwidth_text, lambda text: parse_rate("bandwidth", text)),
            Slider("downtime", "downtime", with_value(DOWNTIMES, state.downtime), state.downtime,
                   lambda s: ns_text(1e9 * s, trim=True),
                   lambda text: parse_seconds("downtime", text)),
            Choice("tracker", "tracker", trackers(), state.tracker),
            Choice("run", "recorded run", (NO_RUN, *courses()), state.run,
                   {name: one.label for name, one in courses().items()}, folded=True),
            Choice("costs", "costs of", tuple(recorded_costs()), state.costs, folded=True),
        ]  # fmt: skip

    def change(self, name: str, value: Any) -> None:
        """Set a field of the state; a working set larger than the guest follows, and is told."""
        self.said = ""
        if name == "run":
            self._like(value)
            return
        changed: dict[str, Any] = {name: value}
        state = self.state
        if name not in ("tracker", "costs") and state.run != NO_RUN:
            changed["run"] = NO_RUN
        if name == "pages" and value < state.working_set:
            changed["working_set"] = value
            self.said = "The working set is as large as the guest: it can't be larger."
        if name == "working_set" and value > state.pages:
            changed["pages"] = nearest([one for one in GUESTS if one >= value] or [value], value)
            self.said = "The guest is as large as its working set: it can't be smaller."
        self.state = dataclasses.replace(state, **changed)

    def _like(self, name: str) -> None:
        """Set all sliders as a recorded run had them."""
        if name == NO_RUN:
            self.state = dataclasses.replace(self.state, run=NO_RUN)
            return
        asked = courses()[name].asked
        self.state = dataclasses.replace(
            self.state, run=name, pages=asked.pages, working_set=asked.working_set,
            rate=math.inf if asked.rate is None else asked.rate, dataset=asked.dataset,
            bandwidth=asked.bandwidth, downtime=asked.downtime, tracker=asked.tracker,
            limit=asked.limit,
        )  # fmt: skip
        self.said = f"Sliders as in the recorded run {name}; × are its syncs."

    def pick(self, x: float, y: float) -> None:
        """Take rate and working set where the map is clicked."""
        left, bottom, width, height = self._map_rectangle()
        inside = ((x - left) / width, (y - bottom) / height)
        if all(0 <= one <= 1 for one in inside):
            rate, size = map_place(*inside, self.state.pages)
            self.change("rate", nearest(PACES[1:-1], rate))
            self.change("working_set", nearest(self._sets(), size))

    def press(self, key: str) -> None:
        """Move by a step of rate or working set."""
        step = {"ArrowLeft": -1, "ArrowRight": 1, "ArrowUp": 1, "ArrowDown": -1}.get(key)
        if step is None:
            return
        name, steps = ("rate", PACES) if key in ("ArrowLeft", "ArrowRight") else (
            "working_set", self._sets())  # fmt: skip
        every = with_value(steps, getattr(self.state, name))
        at = every.index(getattr(self.state, name)) + step
        self.change(name, every[min(max(at, 0), len(every) - 1)])

    def _sets(self) -> tuple[int, ...]:
        return tuple(one for one in SETS if one <= self.state.pages)

    def _map_rectangle(self) -> tuple[float, float, float, float]:
        box = self._canvas.figure.axes[2].get_position()
        return box.x0, box.y0, box.width, box.height

    @property
    def line(self) -> str:
        """The line of Python that recreates the state."""
        return super().line.replace("rate=inf", f'rate="{FASTEST}"')

    # --- what is shown --------------------------------------------------------------------------

    def content(self) -> MigrationContent:
        """Return what the closed form says, and the simulation where it is there."""
        state = self.state
        costs = costs_of(state.costs)
        cost = _tracking(state.tracker, state.dataset, state.working_set, state.costs)
        free_cost = _tracking("none", state.dataset, state.working_set, state.costs)
        link = Link(state.bandwidth, state.downtime, costs, cost)
        closed, without = (_closed(state, one) for one in (cost, free_cost))
        found = self._answers.get(state)
        if found is None and self._can_simulate():
            self._settled()
        threshold = state.bandwidth * 0.1 / costs.window_s * state.downtime / PAGE_BYTES
        shown = closed if found is None else found
        rounds = closed.rounds if found is None else _from_begin(found.rounds, closed.rounds)
        ratio = 0.0 if state.rate == 0 else float(
            rho_map(state.dataset, [state.working_set], [state.rate], link)[0, 0]
        )  # fmt: skip
        run = courses().get(state.run)
        return MigrationContent(
            state, course(rounds, threshold, shown.seconds, shown.converges),
            course(without.rounds, threshold, without.seconds, without.converges),
            shown.converges, shown.seconds, shown.downtime, threshold, *_look(state.tracker),
            _areas(state.dataset, state.pages, state.bandwidth, state.downtime, state.costs,
                   state.tracker),
            run, found, closed, without, ratio,
            fastest(state.dataset, state.working_set, link),
        )  # fmt: skip

    def _can_simulate(self) -> bool:
        state = self.state
        rate = 0.0 if not math.isfinite(state.rate) else state.rate
        return (rate + state.bandwidth / PAGE_BYTES) * state.limit < _MOST_SIMULATED

    def _begin(self) -> None:
        """Simulate the present state beside the main loop; the kernels hold no lock of Python."""
        with self._lock:
            if self._busy:
                return
            self._busy = True
        threading.Thread(target=self._simulate, args=(self.state,), daemon=True).start()

    def _simulate(self, state: MigrationState) -> None:
        try:
            found = migrated(state.question, costs_of(state.costs))
        finally:
            with self._lock:
                self._busy = False
        self._answers[state] = found
        while len(self._answers) > _MOST_ANSWERS:
            self._answers.pop(next(iter(self._answers)))
        self.redraw()

    def sentence(self, content: MigrationContent) -> str:
        """Return the finding."""
        state = content.state
        parts = [
            f"{verdict(content)}.",
            f"Rho is {content.rho:.2g}: {_rho_words(content.rho)}.",
            _free_words(content),
        ]
        if content.rho and math.isfinite(content.fastest):
            parts.insert(2, f"Up to {count_text(_two_digits(content.fastest))} writes a second it "
                         "converges.")  # fmt: skip
        elif content.rho:
            parts.insert(2, f"With {state.tracker} it converges however fast the guest writes.")
        return " ".join(filter(None, parts))

    def alt(self, content: MigrationContent, sentence: str) -> str:
        """Return the picture in words."""
        return (
            "Three panels. Left: memory still to send over time, falling while it is sent and "
            f"jumping at each sync, with {content.tracker} and without tracking; a dotted line "
            "marks what goes in the downtime allowed. Below: the downtime as a bar. Right: a map "
            "of writes a second against working set, with areas where the migration converges and "
            f"where it never ends; a circle marks this guest. {sentence}"
        )

    def note(self, content: MigrationContent) -> str:
        """Return the small print."""
        how = "simulated page by page" if content.simulated is not None else "closed form"
        wait = "" if content.simulated is not None or self._can_simulate() else (
            " (too large to simulate while a slider moves)"
        )  # fmt: skip
        return (
            f"Pre-copy by the rules of QEMU 7.2, {how}{wait}; costs of {content.state.costs}. "
            "The working set is written to, all other memory is zero pages. Map by rho: new bytes "
            "by bytes sent in 100 ms; near its border a few per cent decide."
        )

    def extra(self, content: MigrationContent) -> str:
        """Return a table of the fidelities at hand, with tracking and without."""
        rows = [("closed form", content.closed), ("not tracked, closed form", content.without)]
        if content.simulated is not None:
            rows.insert(0, ("simulation", content.simulated))
        return table_html(
            [(name, _time(one), _pause(one), f"{one.syncs:,}", f"{one.sent_bytes / 1e6:,.0f} MB")
             for name, one in rows],
            ("", "total time", "downtime", "syncs", "sent"),
        )  # fmt: skip

    def table(self) -> "pd.DataFrame":
        """Return a row a sync."""
        import pandas as pd

        content = self.content()
        return pd.DataFrame(
            {"sync at, s": content.tracked.syncs, "pending after, pages": content.tracked.after}
        )

    def provenance(self) -> dict[str, Any]:
        """Return the parameters, the answer, and where the costs come from."""
        content = self.content()
        found = content.simulated
        return {
            **super().provenance(),
            "answer": None if found is None else found.as_dict(),
            "closed form": content.closed._asdict(),
            "costs": dict(recorded_costs()[self.state.costs]),
            "units": {"rate": "writes a second", "bandwidth": "bytes a second", "times": "seconds"},
        }


_MOST_ANSWERS = 200


def verdict(content: MigrationContent) -> str:
    """Return whether it converges, how long that takes, and the downtime."""
    if not content.converges:
        return f"It does not converge within {ns_text(1e9 * content.state.limit, trim=True)}"
    band = ""
    if content.simulated is not None:
        low, high = (ns_text(1e9 * one) for one in (content.simulated.low, content.simulated.high))
        band = f" ({low} … {high})" if low != high else ""
    return (
        f"It converges in {ns_text(1e9 * content.seconds)}{band}, with a downtime of "
        f"{ns_text(1e9 * content.downtime)}"
    )


@functools.lru_cache(512)
def _tracking(tracker: str, dataset: str, working_set: int, costs: str) -> Tracking:
    return tracking(tracker, dataset, {}, working_set, costs_of(costs))


@functools.lru_cache(512)
def _closed(state: MigrationState, cost: Tracking) -> ClosedForm:
    known = law(state.dataset, state.working_set, ())
    line = Line(
        state.pages, state.pages - state.working_set, state.working_set, state.bandwidth,
        state.downtime, state.limit, scattered=is_scattered(state.dataset),
    )  # fmt: skip

    def written(seconds: float) -> float:
        if state.rate == 0:
            return 0.0
        return float(written_in(seconds, known, state.rate, SPEED, cost))

    return closed_form(line, costs_of(state.costs), written, cost.sync_s, _MOST_SYNCS)


@functools.lru_cache(64)
def _areas(
    dataset: str, pages: int, bandwidth: float, downtime: float, costs: str, tracker: str
) -> npt.NDArray[np.int8]:
    """Return what the map says of each place."""
    link = Link(bandwidth, downtime, costs_of(costs), _tracking(tracker, dataset, 2**18, costs))
    return verdicts(dataset, sizes(pages), RATES, link)


def _look(tracker: str) -> tuple[str, str]:
    """Return colour and name of a tracker."""
    kernel = tracker.partition(":")[0]
    if kernel in KERNEL:
        return KERNEL[kernel].color, KERNEL[kernel].label
    if tracker in tuned():
        return look(tracker, 64).color, look(tracker, 64).label
    return "#0B6E99", tracker if tracker != "none" else "no tracking"


def _rho_words(rho: float) -> str:
    if rho == 0:
        return "it writes nothing"
    if 1 / 1.25 < rho < 1.25:
        return "near the border, where a few per cent of rate or bandwidth decide"
    return "less is written than is sent" if rho < 1 else "more is written than is sent"


def _free_words(content: MigrationContent) -> str:
    """Return what changes where nothing tracks the guest."""
    one = content.without
    if content.state.tracker == "none" or content.state.rate == 0:
        return ""
    if one.converges != content.closed.converges:
        ends = "would converge" if one.converges else "would never end"
        return f"Without the cost of tracking it {ends}."
    return f"Without the cost of tracking: {_time(one)}."


def _time(one: Any) -> str:
    return ns_text(1e9 * one.seconds) if one.converges else "never ends"


def _pause(one: Any) -> str:
    return ns_text(1e9 * one.downtime) if one.converges else "–"


def _two_digits(value: float) -> float:
    return float(f"{value:.2g}")


def _from_begin(rounds: Any, closed: Any) -> np.ndarray[Any, Any]:
    """Return the simulation's rounds, after the begin, which only the closed form tells."""
    told, begin = rounds.to_numpy(), np.asarray(closed, float).reshape(-1, 3)[:1]
    late = len(begin) and (not len(told) or told[0, 0] > begin[0, 0])
    return np.concatenate([begin, told]) if late else told
