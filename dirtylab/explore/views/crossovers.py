"""The crossover explorer: which structure is the cheapest where, by the model and measured.

The state, what is said of it and what is measured; the picture is in :mod:`.crossover_figure`.
"""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from dirtylab import _check
from dirtylab.advice.model import OPERATIONS, Model
from dirtylab.explore.kit.controls import (
    Action,
    Choice,
    Control,
    Options,
    Several,
    Slider,
    named,
)
from dirtylab.explore.kit.slider_steps import (
    DENSITIES,
    DIRTY,
    PAGES,
    frames_label,
    guest_memory,
    nearest,
    pages_read,
    percent,
    short,
    with_value,
)
from dirtylab.explore.kit.view import Progress, Shown, View
from dirtylab.explore.process.session import Asked, Found, Measurement, Works, cells
from dirtylab.explore.views import dataset_controls as datasets
from dirtylab.explore.views.cheapest import (
    Meeting,
    Region,
    measured_meetings,
    model_meetings,
    pairs_of,
    regions,
)
from dirtylab.explore.views.crossover_figure import SLIDER_COLOR, CrossoverFigure, Drawn
from dirtylab.explore.views.model_curves import (
    AXES,
    Setting,
    at,
    curves,
    dirty_in,
    has_law,
    model_name,
)
from dirtylab.figures.style import LOOKS, Look, Picture
from dirtylab.measure.machine import caption, describe_machine
from dirtylab.structures import STRUCTURES

if TYPE_CHECKING:
    import pandas as pd


RADICES = (8, 16, 32, 64)
ROUNDS = (3, 5, 7, 11, 15, 25)
SEED = 2016
TIE = 0.1
"""Differences below that are none to the model."""
_FRAMES, _DENSITY = "frames", "density"
_AXES = {"dirty": "dirty frames", "pages": "pages of the slot", "length": "cluster length"}


@dataclasses.dataclass(frozen=True)
class CrossoverState:
    """What the crossover explorer shows."""

    pages: int = 10_000_000
    dirty: int = 100_000
    density: float | None = None
    """When given, the share of the slot that is dirty, instead of `dirty`."""
    dataset: str = "random"
    options: Options = ()
    structures: tuple[str, ...] = ("list", "bitmap", "tree")
    radix: int = 64
    operation: str = "collect"
    x: str = "dirty"
    rounds: int = 7


def offered() -> tuple[str, ...]:
    """Return the structures to choose from: ``tree`` has the radix of its slider."""
    names = list(STRUCTURES)
    names.insert(names.index("tree8"), "tree")
    return tuple(names)


def checked(state: CrossoverState) -> CrossoverState:
    """Return a state whose every value could come from its control.

    Raises
    ------
    ValueError, TypeError
        One could not; what is allowed is said.
    """
    _check.pages(state.pages, low=2)
    _check.integer("dirty", state.dirty, 1)
    if state.density is not None:
        _check.real("density", state.density, 1e-12, 1)
    for name in state.structures:
        _check.choice("structures", name, offered())
    if state.radix not in RADICES:
        raise ValueError(f"radix={state.radix!r}: must be one of {', '.join(map(str, RADICES))}")
    _check.choice("operation", state.operation, OPERATIONS)
    _check.choice("x", state.x, AXES)
    _check.integer("rounds", state.rounds, 2, 1000)
    return state


class CrossoverView(View[CrossoverState]):
    """The crossover explorer.

    Parameters
    ----------
    state, usual : CrossoverState
        What is shown, and what Reset goes back to.
    model : Model
        What draws the lines.
    worker : callable
        Makes the worker that measures.
    """

    function = "crossovers"
    title = "Which structure is the cheapest, and where does that change?"

    def __init__(
        self,
        state: CrossoverState,
        usual: CrossoverState,
        model: Model,
        worker: Callable[[], Works],
    ) -> None:
        super().__init__(checked(state), usual)
        self._model = model
        self._measurement = Measurement(worker, lambda: self.redraw())
        self._figure = CrossoverFigure()

    # --- controls -------------------------------------------------------------------------------

    def controls(self) -> Sequence[Control]:
        """Return the controls; the pattern brings its own sliders."""
        state = self.state
        labels = {name: look(name, state.radix).label for name in offered()}
        labels["tree"] = "tree of the radix below"
        colors = {name: look(name, state.radix).color for name in offered()}
        return [
            Choice("operation", "operation", OPERATIONS, state.operation),
            Choice("x", "axis", AXES, state.x, _AXES),
            Choice("dataset", "pattern", datasets.names(), state.dataset),
            *datasets.controls(state.dataset, state.options),
            Slider("pages", "slot, pages", with_value(PAGES, state.pages), state.pages, pages_read),
            Choice("given", "dirty given as", (_FRAMES, _DENSITY), self._given()),
            self._amount(),
            Several("structures", "structures", offered(), state.structures, labels, colors),
            Slider("radix", "radix of tree", RADICES, state.radix, lambda r: f"{r} bits"),
            Slider(
                "rounds", "samples", with_value(ROUNDS, state.rounds), state.rounds,
                lambda n: f"{n} a point",
            ),
        ]  # fmt: skip

    def _given(self) -> str:
        return _FRAMES if self.state.density is None else _DENSITY

    def _amount(self) -> Control:
        state = self.state
        if state.density is not None:
            steps = with_value(DENSITIES, state.density)
            return Slider("density", "dirty", steps, state.density, percent)
        return Slider("dirty", "dirty", with_value(DIRTY, state.dirty), state.dirty, frames_label)

    def actions(self) -> Sequence[Action]:
        """Return Measure and Cancel."""
        running = self._measurement.progress.running
        return [
            Action("measure", "Measure", "Measure what is shown, in a process of its own",
                   not running),
            Action("cancel", "Cancel", "Stop; what has been measured is kept", running),
        ]  # fmt: skip

    def change(self, name: str, value: Any) -> None:
        """Take over one control's value."""
        state = self.state
        if name == "given":
            self.state = _given_as(state, value)
        elif name == "dataset":
            self.state = dataclasses.replace(state, dataset=value, options=())
        elif datasets.is_option(state.dataset, name):
            options = datasets.changed(state.dataset, state.options, name, value)
            self.state = dataclasses.replace(state, options=options)
        else:
            super().change(name, value)

    def act(self, name: str) -> None:
        """Measure, or cancel."""
        if name == "measure":
            self._measure()
        else:
            self._measurement.cancel()

    def progress(self) -> Progress:
        """Return how far the measurement is."""
        return self._measurement.progress

    def close(self) -> None:
        """End the worker."""
        self._measurement.close()

    # --- what is shown --------------------------------------------------------------------------

    def draw(self) -> Shown:
        """Draw lines, markers and where they meet."""
        drawn, found = self._drawn()
        png = self._figure.png(drawn)
        sentence = self._sentence(drawn, found)
        return Shown(
            png, self._figure.size, self._alt(drawn, sentence), sentence, self._note(found)
        )

    def picture(self) -> Picture:
        """Return the figure as it stands."""
        drawn, found = self._drawn()
        return self._figure.still(drawn, self._alt(drawn, self._sentence(drawn, found)),
                                  self._note(found))  # fmt: skip

    def _drawn(self) -> tuple[Drawn, Found | None]:
        state = self.state
        setting = self._setting(state)
        if not state.structures:
            raise ValueError("structures: none is shown; tick at least one")
        if state.x == "length" and not datasets.is_option(state.dataset, "length"):
            others = [repr(name) for name in datasets.names() if datasets.is_option(name, "length")]
            raise ValueError(f"axis=cluster length: pattern {state.dataset!r} has no clusters; "
                             f"choose the pattern {' or '.join(others)}")  # fmt: skip
        datasets.refuse(state.dataset, state.pages, dirty_in(setting, state.pages), state.options)
        names = tuple(model_name(name, state.radix) for name in state.structures)
        lines = curves(self._model, names, state.operation, setting)
        if not lines.x.size:
            raise ValueError("no such pattern anywhere along this axis; move a slider")
        stretches = regions(lines, TIE)
        meetings = model_meetings(lines, stretches, self._errors(state.operation))
        found, current = self._found(Asked(setting, state.operation, state.radix))
        looks = {model_name(n, state.radix): look(n, state.radix) for n in state.structures}
        drawn = Drawn(
            lines, looks, stretches, meetings, self._here(setting), state.x, state.pages,
            state.operation, datasets.label(state.dataset, state.options),
            self._points(found, looks), current, self._measured(found, current, stretches, looks),
            has_law(state.dataset, state.options),
        )  # fmt: skip
        return drawn, found if current else None

    def _setting(self, state: CrossoverState) -> Setting:
        return Setting(
            state.dataset, state.options, state.pages, state.dirty, state.density, state.x
        )

    def _here(self, setting: Setting) -> float:
        """Return where the sliders stand on the axis."""
        if setting.axis == "dirty":
            return float(dirty_in(setting, setting.pages))
        if setting.axis == "pages":
            return float(setting.pages)
        return float(dict(setting.options).get("length") or 1)

    def _found(self, asked: Asked) -> tuple[Found | None, bool]:
        """Return what was measured, and whether it is of what is shown; else it is drawn faint."""
        own = _key(asked)
        for key, found in self._measurement.found.items():
            if _key(key) == own:
                return found, True
        latest = self._measurement.latest
        same_axis = latest is not None and latest.asked.setting.axis == asked.setting.axis
        return (latest if same_axis else None), False

    def _points(self, found: Found | None, looks: dict[str, Look]) -> dict[str, Any]:
        if found is None:
            return {}
        return {name: found.medians(name) for name in found.samples if name in looks}

    def _measured(
        self, found: Found | None, current: bool, stretches: list[Region], looks: dict[str, Look]
    ) -> list[Meeting]:
        if found is None or not current:
            return []
        pairs = pairs_of(stretches, tuple(looks))
        meetings = []
        for pair in pairs:
            if all(name in found.samples for name in pair):
                x, samples = found.matrix(pair)
                if x.size and min(len(row) for row in samples[pair[0]]) > 1:
                    meetings += measured_meetings(x, samples, [pair])
        return meetings

    def _errors(self, operation: str) -> dict[str, float]:
        part = "harvest" if operation == "epoch" else operation
        return {
            name: law.held_out.median for (name, op), law in self._model.laws.items() if op == part
        }

    def _sentence(self, drawn: Drawn, found: Found | None) -> str:
        parts = [_said(drawn)]
        if drawn.measured:
            told = "; ".join(_met(drawn, one, "95 %") for one in drawn.measured)
            parts.append(f"Measured: {told}.")
        elif found is not None and not self._measurement.progress.running:
            parts.append("Measured: the points show no crossover beyond their noise.")
        parts.append(_costs_here(drawn))
        return " ".join(parts)

    def _alt(self, drawn: Drawn, sentence: str) -> str:
        shown = named([one.label for one in drawn.looks.values()])
        points = f" Measured points at {len(next(iter(drawn.points.values()))[0])} places." \
            if drawn.points else ""  # fmt: skip
        return (
            f"Log-log plot of the time of {drawn.operation} against {_AXES[drawn.axis]}, pattern "
            f"{drawn.pattern}, for {shown}. {sentence}{points}"
        )

    def _note(self, found: Found | None) -> str:
        without = [
            look(name, self.state.radix).label for name in self.state.structures
            if model_name(name, self.state.radix) not in self._model.structures
        ]  # fmt: skip
        parts = [f"Lines: cost model, {self._trial()}; fitted on {caption(self._model.machine)}."]
        if not has_law(self.state.dataset, self.state.options):
            parts = [f"The pattern {self.state.dataset} has no closed form: measured only."]
            without = []
        if found is not None:
            parts.append(
                "Markers: measured here, median of interleaved rounds, bars from the 10th to the "
                f"90th percentile; {caption(describe_machine())}."
            )
        elif self._measurement.latest is not None:
            parts.append("Faint markers: measured with other sliders.")
        if without:
            parts.append(f"No model of {named(without)}: measured only.")
        return " ".join(parts)

    def _trial(self) -> str:
        trial = self._model.trial
        if trial is None:
            return "not tried on cells held out"
        off, far_off = (f"{100 * share:.0f} %" for share in trial.error)
        return (
            f"off by {off} in the median ({far_off} at the 90th percentile) on {trial.cells} cells "
            "that it was not fitted to"
        )

    def table(self) -> "pd.DataFrame":
        """Return lines and samples in one table."""
        import pandas as pd

        drawn, found = self._drawn()
        rows: list[dict[str, Any]] = [
            {"x": x, "structure": name, "kind": "model", "round": None, "ns": value}
            for name, ns in drawn.lines.ns.items()
            for x, value in zip(drawn.lines.x, ns, strict=True)
        ]
        rows += found.rows() if found is not None else []
        table = pd.DataFrame.from_records(rows)
        return table.rename(columns={"x": _AXES[drawn.axis].replace(" ", "_")})

    def provenance(self) -> dict[str, Any]:
        """Return the parameters, the model's machine and errors, and the seed."""
        return {
            "parameters": dataclasses.asdict(self.state),
            "model": {
                "machine": self._model.machine,
                "trial": self._model.trial and self._model.trial.as_dict(),
            },
            "seed": SEED,
            "units": {"ns": "nanoseconds an operation"},
        }

    # --- measuring ------------------------------------------------------------------------------

    def _measure(self) -> None:
        from dirtylab.explore.process.messages import Job
        from dirtylab.explore.process.messages import checked as checked_job

        state = self.state
        drawn, _ = self._drawn()
        setting = self._setting(state)
        x, wanted = cells(setting, [one.at for one in drawn.meetings])
        structures = tuple(_contestant(name, state.radix) for name in state.structures)
        job = checked_job(Job(structures, state.operation, tuple(wanted), state.rounds, SEED))
        asked = Asked(setting, state.operation, state.radix)
        names = {name: model_name(name, state.radix) for name in state.structures}
        self._measurement.start(asked, x, job, names)


def look(name: str, radix: int) -> Look:
    """Return how a structure is drawn; one that has no look of its own gets a plain one."""
    if name == "tree":
        same = LOOKS["tree64"]
        return Look(f"tree, radix {radix}", SLIDER_COLOR, same.marker)
    if name.startswith("posted-"):
        return LOOKS[name]._replace(label=f"posted {LOOKS[name].label}")
    return LOOKS.get(name, Look(name, "#555555", "d"))


def _contestant(name: str, radix: int) -> tuple[str, dict[str, Any]]:
    return ("tree", {"radix": radix}) if name == "tree" else (name, {})


def _key(asked: Asked) -> Asked:
    """Return what decides whether measured points go with the lines."""
    setting = asked.setting
    if setting.axis == "dirty":
        setting = setting._replace(dirty=0, density=None)
    elif setting.axis == "pages":
        setting = setting._replace(pages=0)
    return asked._replace(setting=setting)


def _given_as(state: CrossoverState, word: str) -> CrossoverState:
    if word == _DENSITY and state.density is None:
        share = min(state.dirty / state.pages, 1.0)
        return dataclasses.replace(state, density=nearest(DENSITIES, share))
    if word == _FRAMES and state.density is not None:
        frames = nearest(DIRTY, max(1.0, state.density * state.pages))
        return dataclasses.replace(state, density=None, dirty=frames)
    return state


def _said(drawn: Drawn) -> str:
    """Return what the lines say."""
    if not drawn.has_law:
        return f"The pattern {drawn.pattern} has no closed form: measured only; press Measure."
    if not drawn.stretches:
        return "There is no model of these structures: press Measure."
    names = [_name(drawn, stretch.winner) for stretch in drawn.stretches]
    if len(names) == 1:
        over = " all along" if len(drawn.lines.ns) > 1 else ", the only one with a model"
        return f"By the model {names[0]} is the cheapest{over} (differences below 10 % aside)."
    if len(drawn.lines.ns) == 2 or len(names) == 2:
        return f"By the model {_met(drawn, drawn.meetings[0], 'within its error')}" + (
            "." if len(drawn.meetings) == 1 else f", and {_rest(drawn)}."
        )
    return f"By the model {names[0]} is the cheapest up to {_rest(drawn, first=True)}."


def _rest(drawn: Drawn, *, first: bool = False) -> str:
    parts = [
        f"{place_label(drawn, one.at)}, from there {_name(drawn, one.after)}"
        for one in drawn.meetings[0 if first else 1 :]
    ]
    return " up to ".join(parts) if first else "then " + "; ".join(parts)


def _met(drawn: Drawn, meeting: Meeting, kind: str) -> str:
    """Return where two structures meet, such as "tree beats bitmap below 9.4 % (8.9–10.1 %)"."""
    before, after = _name(drawn, meeting.before), _name(drawn, meeting.after)
    between = interval_label(drawn, meeting.low, meeting.high)
    return f"{before} beats {after} below {place_label(drawn, meeting.at)} ({kind}: {between})"


def interval_label(drawn: Drawn, low: float, high: float) -> str:
    """Return an interval on the axis, such as 8.9–10.1 %; an end that nothing bounds is open."""
    ends = [place_label(drawn, end) if 0 < end < float("inf") else "…" for end in (low, high)]
    below, above = (end.removesuffix(" dirty").removesuffix(" pages a cluster") for end in ends)
    unit = below.rpartition(" ")[2]
    same = unit == above.rpartition(" ")[2] and " " in below
    return f"{below.removesuffix(' ' + unit) if same else below}–{above}"


def _name(drawn: Drawn, structure: str) -> str:
    return drawn.looks[structure].label if structure in drawn.looks else structure


def place_label(drawn: Drawn, x: float) -> str:
    """Return a place on the axis in words."""
    if drawn.axis == "dirty":
        return f"{percent(x / drawn.pages)} dirty"
    if drawn.axis == "pages":
        return guest_memory(x)
    return f"{short(x)} pages a cluster"


def _costs_here(drawn: Drawn) -> str:
    if not drawn.lines.ns:
        return ""
    x = min(max(drawn.here, float(drawn.lines.x[0])), float(drawn.lines.x[-1]))
    costs = sorted((at(drawn.lines, name, x), name) for name in drawn.lines.ns)
    told = ", ".join(f"{_name(drawn, name)} {nanoseconds(ns)}" for ns, name in costs)
    return f"At {_spot(drawn, x)}: {told}."


def _spot(drawn: Drawn, x: float) -> str:
    if drawn.axis == "dirty":
        return f"{frames_label(round(x))} ({percent(x / drawn.pages)})"
    return place_label(drawn, x)


def nanoseconds(ns: float) -> str:
    """Return a time in three digits with its unit."""
    for scale, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "µs")):
        if ns >= 0.9995 * scale:
            return f"{ns / scale:.3g} {unit}"
    return f"{ns:.3g} ns"
