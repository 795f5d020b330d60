"""The view "What should I use?": one sentence for one guest, and what it rests on."""

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from dirtylab._caches import CACHES
from dirtylab._format import share_text
from dirtylab._parameters import entered_names
from dirtylab._units import parse_seconds, parse_share
from dirtylab.advice.advisor import ranked
from dirtylab.advice.answer import lead_of
from dirtylab.advice.model import Model
from dirtylab.explore.kit.controls import Choice, Control, Several, Slider
from dirtylab.explore.kit.kernel_loop import Coalesced, main_loop
from dirtylab.explore.kit.slider_steps import nearest, pages_read, with_value
from dirtylab.explore.process.cell_job import CellJob
from dirtylab.explore.process.fitted_view import FitsLike, FittedView
from dirtylab.explore.process.session import WorkerLike
from dirtylab.explore.views import decide_measured, decide_text, natives
from dirtylab.explore.views.decide_answer import Answer, answer
from dirtylab.explore.views.decide_figure import RECTANGLE, SIZE, DecideArtists, DecideContent
from dirtylab.explore.views.decide_map import AXES, LENGTH, LENGTHS, PAGES, MapStore, WinnerMap
from dirtylab.explore.views.decide_state import (
    LIMITS,
    PERIODS,
    SHARE_STEPS,
    DecideState,
    limit_text,
    read_limit,
)
from dirtylab.explore.views.programs import programs
from dirtylab.measure.cell import Cell
from dirtylab.structures import STRUCTURES, tuned

if TYPE_CHECKING:
    import pandas as pd

SEED = 2016
ROUNDS = 7
NONE = "runs of that length"
"""Choice of no recorded program."""
_FILL_SECONDS = 0.02
_QUIET_SECONDS, _IDLE_SECONDS = 0.25, 1.5
"""Time without a change before the map that is shown is computed, and maps beside it.

Measured, busy machine, keys 120 ms apart on the guest: p50 340 ms
where rows were computed between them.
"""


class DecideView(FittedView[DecideState, DecideContent]):
    """The view that answers what to use.

    Parameters
    ----------
    state, usual : DecideState
        What is shown, and what Copy parameters leaves out.
    models : callable
        Returns the model for what the caches hold.
    worker : callable
        Makes the worker that measures.
    fits : FitsLike, optional
        Knows whether the model fits this machine.
    """

    function = "decide"
    title = "What should I use?"
    size = SIZE
    rectangles = (RECTANGLE,)
    artists = DecideArtists
    measure_label = "Measure this guest"
    measure_tip = "Measure whole epochs of this very guest, in a process of its own"

    def __init__(
        self,
        state: DecideState,
        usual: DecideState,
        models: Callable[[str], Model],
        worker: Callable[[], WorkerLike],
        fits: FitsLike | None = None,
    ) -> None:
        self._maps = MapStore()
        self._fill = Coalesced(self._fill_map, _FILL_SECONDS)
        super().__init__(state, usual, models, worker, fits)

    @property
    def line(self) -> str:
        """The line of Python that recreates the state: native trackers by their paths."""
        return natives.by_path(super().line, self.state.trackers)

    # --- controls -------------------------------------------------------------------------------

    def controls(self) -> Sequence[Control]:
        """Return the controls."""
        state = self.state
        return [
            Slider("pages", "guest", with_value(PAGES, state.pages), state.pages, pages_read),
            Slider("dirty", "dirty", with_value(SHARE_STEPS, state.dirty), state.dirty,
                   share_text, lambda text: parse_share("dirty", text.replace(" ", ""))),
            Slider("length", "in runs of", with_value(LENGTHS, state.length), state.length,
                   lambda n: f"{n:,} page{'' if n == 1 else 's'}"),
            Choice("program", "pages like", (NONE, *programs()), state.program or NONE,
                   {name: f"recorded: {name}" for name in programs()}),
            Slider("period", "period", with_value(PERIODS, state.period), state.period,
                   decide_text.seconds_text, lambda text: parse_seconds("period", text)),
            Slider("memory_limit", "memory limit", with_value(LIMITS, state.memory_limit),
                   state.memory_limit, limit_text, read_limit, folded=True),
            Choice("cache", "caches hold", CACHES, state.cache, decide_text.CACHE_NAMES,
                   folded=True),
            Choice("over", "map over", AXES, state.over, decide_text.MAP_NAMES, folded=True),
            *_trackers(state.trackers),
        ]  # fmt: skip

    def change(self, name: str, value: Any) -> None:
        """Set a field of the state; what it contradicts follows, and is told."""
        self.said, self._moved = "", time.monotonic()
        self._session.settle()
        if name == "program":
            self._like(value)
            return
        if name == "trackers":
            value = entered_names(value)
            self.said = "Trackers are measured only: press Measure this guest." if value else ""
        changed = {name: value}
        if name in ("dirty", "length") and self.state.program:
            changed["program"] = ""
            self.said = f"No longer like {self.state.program}: {name} was set by hand."
        state = dataclasses.replace(self.state, **changed)
        if state.length > state.frames:
            self.said = (
                f"{state.frames:,} dirty frames are one run: shorter than the {state.length:,} "
                "pages asked for."
            )
        self.state = state

    def _like(self, name: str) -> None:
        """Take share and run length of a recorded program."""
        if name == NONE:
            self.state = dataclasses.replace(self.state, program="")
            return
        self.state = dataclasses.replace(self.state, program=name).like_program()
        self.said = (
            f"Like {name}: {share_text(self.state.dirty)} of its pages dirty, runs of "
            f"{self.state.length} on average. Measure replays the recording itself."
        )

    def gesture(self, words: Sequence[str]) -> None:
        """Move the guest: by a drag on the map, or a number of the sentence."""
        kind, *rest = words
        if kind == "drag":
            x, y = (min(max(float(one), 0.0), 1.0) for one in rest)
            self._drag(x, y)
        elif kind == "step":
            self._step(rest[0], int(rest[1]))
        else:
            super().gesture(words)

    pick_label = "Map of the cheapest structure; arrow keys or a drag move the guest"

    def press(self, key: str) -> None:
        """Move the guest on the map by arrow keys."""
        upward = "length" if self.state.over == LENGTH else "pages"
        ways = {"ArrowLeft": ("dirty", -1), "ArrowRight": ("dirty", 1),
                "ArrowUp": (upward, 1), "ArrowDown": (upward, -1)}  # fmt: skip
        if key in ways:
            self._step(*ways[key])

    def _drag(self, x: float, y: float) -> None:
        share, value = DecideArtists.place(x, y, self.state.over)
        name, steps = ("length", LENGTHS) if self.state.over == LENGTH else ("pages", PAGES)
        self.change("dirty", float(f"{share:.2g}"))
        if nearest(steps, value) != getattr(self.state, name):
            self.change(name, nearest(steps, value))

    def _step(self, name: str, steps: int) -> None:
        """Move a slider by some steps."""
        control = next(one for one in self.controls() if one.name == name)
        if not steps or not isinstance(control, Slider):
            return
        at = control.steps.index(control.value) + steps
        self.change(name, control.steps[min(max(at, 0), len(control.steps) - 1)])

    # --- what is shown --------------------------------------------------------------------------

    def content(self) -> DecideContent:
        """Return the map, the guest on it, and the answer."""
        state, model = self.state, self._model
        known = self._map()
        if not known.complete:
            if main_loop() is None or not self._drawn:
                known.finish()
            else:
                self._fill()
        self._drawn = True
        limit = state.memory_limit or None
        return DecideContent(
            state, self.answer(known), known, limit, _marks(model, state.pages), programs(),
            lead_of(model), self._measured(),
        )  # fmt: skip

    _drawn = False
    _moved = 0.0
    """When a control moved last."""

    def answer(self, known: WinnerMap) -> Answer:
        """Return the answer for the guest: from what was measured, else by the model."""
        state = self.state
        found = decide_measured.found_now(self._session.results.get(state.cell))
        found = found or decide_measured.found_recorded(state.cell)
        options = ranked(self._model, state.question, _modelled(self._model))
        return answer(
            options, self._model, state.question, known, state.trackers, found,
            spread=self.spread,
        )  # fmt: skip

    def _measured(self) -> list[decide_measured.Mark]:
        """Return what the button has measured on the map that is shown."""
        state, found = self.state, []
        for results in self._session.results.values():
            cell: decide_measured.Cell = results.key
            one = decide_measured.found_now(results)
            shown = cell.pages == state.pages if state.over == LENGTH else cell.length == state.run
            if one is not None and shown and cell.cache == state.cache:
                winner = next(iter(decide_measured.judged(one).medians))
                value = cell.length if state.over == LENGTH else cell.pages
                found.append(decide_measured.Mark(cell.dirty / cell.pages, value, winner))
        return found

    def _map(self, pages: int | None = None) -> WinnerMap:
        state = self.state
        fixed = (pages or state.pages) if state.over == LENGTH else state.run
        return self._maps.get(self._model, _modelled(self._model), state.over, fixed)

    def _fill_map(self) -> None:
        """Compute a row of the map that is shown, or of one that may be asked for next.

        Not while a control moves: a key would wait for it.
        """
        quiet = time.monotonic() - self._moved
        if quiet < _QUIET_SECONDS:
            self._fill()
            return
        known = self._map()
        if not known.complete:
            known.step()
            if known.complete:
                self.redraw()
        else:
            later = (self._map(pages) for pages in _beside(self.state.pages))
            todo = next((one for one in later if not one.complete), None)
            if todo is None:
                return
            if quiet > _IDLE_SECONDS:
                todo.step()
        self._fill()

    def sentence(self, content: DecideContent) -> str:
        """Return the answer, and what it rests on."""
        told = decide_text.plain(content.answer)
        return f"{told}. {decide_text.reasons(content.answer, self._model)}"

    def lead(self, content: DecideContent) -> str:
        """Return question, answer and how sure it is, in large type."""
        bounds = self._canvas.figure.axes[0].get_position().bounds
        return decide_text.lead(content, bounds)

    def banner(self, content: DecideContent) -> str:
        """Return a warning where the model does not fit this machine."""
        return self.warning(content.answer.farthest)

    def extra(self, content: DecideContent) -> str:
        """Return the table of structures with their bars."""
        return decide_text.table(content)

    def alt(self, content: DecideContent, sentence: str) -> str:
        """Return the picture in words."""
        return decide_text.alt(content)

    def note(self, content: DecideContent) -> str:
        """Return the small print."""
        return decide_text.note(content, self._model)

    def table(self) -> "pd.DataFrame":
        """Return a row a structure."""
        import pandas as pd

        content = self.content()
        period = 1e9 * self.state.period
        return pd.DataFrame.from_records(
            [{**one._asdict(), "share_of_period": one.ns / period if one.ns else math.nan}
             for one in content.answer.lines]
        )  # fmt: skip

    def provenance(self) -> dict[str, Any]:
        """Return the parameters, the answer, and the model's machine and errors."""
        content, trial = self.content(), self._model.trial
        return {
            **super().provenance(),
            "answer": decide_text.plain(content.answer),
            "source": content.answer.source,
            "model": {"machine": self._model.machine, "trial": trial and trial.as_dict()},
            "seed": SEED,
            "units": {"ns": "nanoseconds an epoch", "nbytes": "bytes", "period": "seconds"},
        }

    # --- measuring ------------------------------------------------------------------------------

    def measure(self) -> None:
        """Measure whole epochs of this guest: structures of the package, and trackers."""
        state = self.state
        names = [*dict.fromkeys((*tuned(), *state.trackers))]
        structures = tuple((name, STRUCTURES[name].options_for(state.frames)) for name in names)
        if state.program:
            tiled = (("fit", "tile"), ("path", state.program))
            cell = Cell("trace", tiled, state.pages, state.frames)
        else:
            cell = Cell("clustered", (("length", state.run),), state.pages, state.frames)
        job = CellJob(structures, "epoch", (cell,), ROUNDS, SEED, state.cache)
        self._session.start(state.cell, [0.0], job)


@functools.lru_cache(8)
def _modelled(model: Model) -> tuple[str, ...]:
    """Return the structures of the package that a model knows."""
    return tuple(name for name in tuned() if name in model.structures)


@functools.lru_cache(64)
def _marks(model: Model, pages: int) -> list[decide_measured.Mark]:
    return decide_measured.marks(model, pages)


def _trackers(chosen: tuple[str, ...]) -> list[Control]:
    """Return the choice of native trackers and peers, where there are any."""
    names = natives.offered()
    if not names:
        return []
    labels, colors = natives.labels_of(names), natives.colors_of(names)
    return [Several("trackers", "measured too", names, chosen, labels, colors, folded=True)]


def _beside(pages: int) -> list[int]:
    """Return the sizes of a slot that a key or two leads to."""
    at = int(np.abs(np.log(np.array(PAGES) / pages)).argmin())
    return [PAGES[one] for one in (at + 1, at - 1, at + 2, at - 2) if 0 <= one < len(PAGES)]
