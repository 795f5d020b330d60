"""The crossovers view: which structure is the cheapest where, by the model and as measured."""

import dataclasses
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from dirtylab import _check
from dirtylab._caches import CACHES, GUEST_RAN
from dirtylab._format import share_text
from dirtylab._parameters import entered_names
from dirtylab.advice.model import OPERATIONS
from dirtylab.explore.kit.controls import Choice, Control, Options, Several, Slider
from dirtylab.explore.kit.slider_steps import (
    DENSITIES,
    DIRTY,
    GUESTS,
    frames_label,
    nearest,
    pages_read,
    with_value,
)
from dirtylab.explore.process.cell_job import CellJob
from dirtylab.explore.process.fitted_view import FittedView
from dirtylab.explore.process.session import Results
from dirtylab.explore.views import crossover_text, dataset_controls, natives
from dirtylab.explore.views.cheapest import (
    CrossoverPoint,
    Region,
    measured_crossovers,
    model_crossovers,
    pairs_of,
    regions,
)
from dirtylab.explore.views.clamp import clamped
from dirtylab.explore.views.crossover_figure import (
    MOST_STRUCTURES,
    RECTANGLE,
    SIZE,
    CrossoverArtists,
    CrossoverContent,
    Points,
)
from dirtylab.explore.views.looks import look
from dirtylab.explore.views.measured_cells import measured_cells
from dirtylab.explore.views.model_curves import AXES, Setting, curves, dirty_in, has_law, model_name
from dirtylab.structures import STRUCTURES

if TYPE_CHECKING:
    import pandas as pd

RADICES = (8, 16, 32, 64)
ROUNDS = (3, 5, 7, 11, 15, 25)
SEED = 2016
TIE = 0.1
"""The model does not tell smaller relative differences."""
CACHE_NAMES = {"guest-ran": "guest ran", "warm": "warm"}
_FRAMES, _DENSITY = "frames", "density"


@dataclasses.dataclass(frozen=True, kw_only=True)
class CrossoverState:
    """What the view shows: the parameters of :func:`dirtylab.explore.crossovers`, checked."""

    pages: int
    dirty: int
    density: float | None
    dataset: str
    options: Options = ()
    structures: tuple[str, ...]
    radix: int
    operation: str
    x: str
    cache: str = GUEST_RAN
    rounds: int

    def __post_init__(self) -> None:
        _check.pages(self.pages, low=2)
        _check.integer("dirty", self.dirty, 1)
        if self.density is not None:
            _check.real("density", self.density, 1e-12, 1)
        for name in self.structures:
            _check.choice("structures", name, offered())
        if self.radix not in RADICES:
            allowed = ", ".join(map(str, RADICES))
            raise ValueError(f"radix={self.radix!r}: must be one of {allowed}")
        _check.choice("operation", self.operation, OPERATIONS)
        _check.choice("x", self.x, AXES)
        _check.choice("cache", self.cache, CACHES)
        _check.integer("rounds", self.rounds, 2, 1000)

    @property
    def setting(self) -> Setting:
        """What is tracked, along which axis."""
        return Setting(self.dataset, self.options, self.pages, self.dirty, self.density, self.x)


@dataclasses.dataclass(frozen=True)
class MeasuredSetting:
    """What was measured: points go with curves where this is the same."""

    setting: Setting
    operation: str
    radix: int
    cache: str

    @classmethod
    def of(cls, state: CrossoverState) -> "MeasuredSetting":
        """Return that of a state, without what the axis itself varies."""
        setting = state.setting
        if setting.axis == "dirty":
            setting = setting._replace(dirty=0, density=None)
        elif setting.axis == "pages":
            setting = setting._replace(pages=0)
        return cls(setting, state.operation, state.radix, state.cache)


def offered() -> tuple[str, ...]:
    """Return the structures to choose from: ``tree`` has the radix of its slider."""
    found = list(STRUCTURES)
    found.insert(found.index("tree8"), "tree")
    return tuple(dict.fromkeys(found))


class CrossoverView(FittedView[CrossoverState, CrossoverContent]):
    """The crossovers view.

    Parameters
    ----------
    state, usual : CrossoverState
        What is shown, and what Reset goes back to.
    models : callable
        Returns the model that predicts the curves, for what the caches hold.
    worker : callable
        Makes the worker that measures.
    fits : FitsLike, optional
        Knows whether the model fits this machine.
    """

    function = "crossovers"
    title = "Which structure is the cheapest, and where does that change?"
    size = SIZE
    rectangles = (RECTANGLE,)
    artists = CrossoverArtists
    measure_tip = "Measure what is shown, in a process of its own"

    @property
    def line(self) -> str:
        """The line of Python that recreates the state: native trackers by their paths."""
        return natives.by_path(super().line, self.state.structures)

    # --- controls -------------------------------------------------------------------------------

    def controls(self) -> Sequence[Control]:
        """Return the controls; the pattern brings its own sliders."""
        return self._controls(self.state)

    @staticmethod
    def _controls(state: CrossoverState) -> Sequence[Control]:
        peers = natives.peers()
        looks = {name: look(name, state.radix) for name in offered()}
        labels = {name: one.label for name, one in looks.items()} | natives.labels_of(peers)
        labels["tree"] = "tree of the radix below"
        colors = {name: one.color for name, one in looks.items()} | natives.colors_of(peers)
        given = _FRAMES if state.density is None else _DENSITY
        return [
            Choice("operation", "operation", OPERATIONS, state.operation),
            Choice("x", "axis", AXES, state.x, crossover_text.AXIS_NAMES),
            Choice("dataset", "pattern", dataset_controls.names(), state.dataset),
            *dataset_controls.controls(state.dataset, state.options),
            Slider("pages", "guest memory", with_value(GUESTS, state.pages), state.pages,
                   pages_read),
            _amount(state),
            Several("structures", "structures", (*offered(), *peers), state.structures, labels,
                    colors, folded=True),
            Choice("cache", "caches", CACHES, state.cache, CACHE_NAMES, folded=True),
            Choice("given", "dirty given as", (_FRAMES, _DENSITY), given, folded=True),
            Slider("radix", "radix of tree", RADICES, state.radix, lambda r: f"{r} bits",
                   folded=True),
            Slider(
                "rounds", "samples", with_value(ROUNDS, state.rounds), state.rounds,
                lambda n: f"{n} a point", folded=True,
            ),
        ]  # fmt: skip

    def change(self, name: str, value: Any) -> None:
        """Set a field of the state to a control's value; what it contradicts follows."""
        self._session.settle()
        before, said = self.state, ""
        if name == "structures" and not value:
            self.said = "One structure at least is drawn."
            return
        if name == "structures":
            value = entered_names(value)
        state = changed_state(before, name, value)
        if state.x == "length" and not dataset_controls.is_option(state.dataset, "length"):
            state, said = _with_clusters(state, name)
        self.state, followed = clamped(before, state, name, self._controls, changed_state)
        self.said = " ".join(filter(None, (said, followed)))

    # --- what is shown --------------------------------------------------------------------------

    def content(self) -> CrossoverContent:
        """Return curves, crossovers and points; errors say what is allowed."""
        state = self.state
        setting = state.setting
        _require_drawable(state)
        looks = {model_name(name, state.radix): look(name, state.radix)
                 for name in state.structures}  # fmt: skip
        predicted = curves(self._model, tuple(looks), state.operation, setting)
        if not predicted.x.size:
            raise ValueError("no such pattern anywhere along this axis; move a slider")
        winners = regions(predicted, TIE)
        results = self._session.results.get(MeasuredSetting.of(state))
        return CrossoverContent(
            predicted, looks, winners,
            model_crossovers(predicted, winners, self._errors(state.operation)),
            _here(setting), state.x, state.pages, state.operation,
            dataset_controls.label(state.dataset, state.options),
            results, _points(results or self._latest(state.x), looks),
            _measured_crossovers(results, winners, tuple(looks)),
            has_law(state.dataset, state.options),
        )  # fmt: skip

    def _latest(self, axis: str) -> Results | None:
        """Return what was measured last, where it has the same axis; it is drawn faint."""
        latest = self._session.latest
        return latest if latest is not None and latest.key.setting.axis == axis else None

    def _errors(self, operation: str) -> dict[str, float]:
        part = "harvest" if operation == "epoch" else operation
        return {
            name: law.held_out.median for (name, op), law in self._model.laws.items() if op == part
        }

    def sentence(self, content: CrossoverContent) -> str:
        """Return the finding."""
        return crossover_text.sentence(content, running=self._session.progress.running)

    def banner(self, content: CrossoverContent) -> str:
        """Return a warning where the model does not fit this machine."""
        return self.warning(crossover_text.farthest(content))

    def alt(self, content: CrossoverContent, sentence: str) -> str:
        """Return the picture in words."""
        return crossover_text.alt(content, sentence)

    def note(self, content: CrossoverContent) -> str:
        """Return the small print."""
        return crossover_text.note(content, self._model)

    def table(self) -> "pd.DataFrame":
        """Return curves and samples in one table."""
        import pandas as pd

        content = self.content()
        rows: list[dict[str, Any]] = [
            {"x": x, "structure": name, "kind": "model", "round": None, "ns": value}
            for name, ns in content.curves.ns.items()
            for x, value in zip(content.curves.x, ns, strict=True)
        ]
        rows += content.results.rows() if content.results is not None else []
        table = pd.DataFrame.from_records(rows)
        axis = crossover_text.AXIS_NAMES[content.axis].replace(" ", "_")
        return table.rename(columns={"x": axis})

    def provenance(self) -> dict[str, Any]:
        """Return the parameters, the model's machine and errors, and the seed."""
        trial = self._model.trial
        return {
            **super().provenance(),
            "model": {"machine": self._model.machine, "trial": trial and trial.as_dict()},
            "seed": SEED,
            "units": {"ns": "nanoseconds an operation"},
        }

    # --- measuring ------------------------------------------------------------------------------

    def measure(self) -> None:
        """Measure the structures shown at cells along the axis."""
        state = self.state
        content = self.content()
        x, cells = measured_cells(state.setting, [one.at for one in content.crossovers])
        structures = tuple(_with_options(name, state.radix) for name in state.structures)
        job = CellJob(structures, state.operation, tuple(cells), state.rounds, SEED, state.cache)
        names = {name: model_name(name, state.radix) for name in state.structures}
        self._session.start(MeasuredSetting.of(state), x, job, names)


def changed_state(state: CrossoverState, name: str, value: Any) -> CrossoverState:
    """Return a state after one control has moved."""
    if name == "given":
        return _given_as(state, value)
    found: CrossoverState = dataset_controls.changed_state(state, name, value)
    return found


def _with_clusters(state: CrossoverState, name: str) -> tuple[CrossoverState, str]:
    """Return a state whose axis and pattern go together, and what was changed for that."""
    if name == "x":
        others = [one for one in dataset_controls.names()
                  if dataset_controls.is_option(one, "length")]  # fmt: skip
        said = f"The pattern is {others[0]} now: {state.dataset} has no clusters."
        return dataclasses.replace(state, dataset=others[0], options=()), said
    said = f"The axis is dirty frames now: {state.dataset} has no clusters."
    return dataclasses.replace(state, x="dirty"), said


def _require_drawable(state: CrossoverState) -> None:
    if not state.structures:
        raise ValueError("structures: none is shown; tick at least one")
    if len(state.structures) > MOST_STRUCTURES:
        raise ValueError(
            f"structures: {len(state.structures)} are ticked; at most {MOST_STRUCTURES} are drawn"
        )
    if state.x == "length" and not dataset_controls.is_option(state.dataset, "length"):
        others = [repr(name) for name in dataset_controls.names()
                  if dataset_controls.is_option(name, "length")]  # fmt: skip
        raise ValueError(f"axis=cluster length: pattern {state.dataset!r} has no clusters; "
                         f"choose the pattern {' or '.join(others)}")  # fmt: skip
    dirty = dirty_in(state.setting, state.pages)
    dataset_controls.refuse(state.dataset, state.pages, dirty, state.options)


def _amount(state: CrossoverState) -> Control:
    """Return the slider of dirty frames, or that of their share."""
    if state.density is not None:
        steps = with_value(DENSITIES, state.density)
        return Slider("density", "dirty", steps, state.density, share_text)
    return Slider("dirty", "dirty", with_value(DIRTY, state.dirty), state.dirty, frames_label)


def _given_as(state: CrossoverState, word: str) -> CrossoverState:
    """Return a state whose dirty frames are given as frames or as a density, about as many."""
    if word == _DENSITY and state.density is None:
        share = min(state.dirty / state.pages, 1.0)
        return dataclasses.replace(state, density=nearest(DENSITIES, share))
    if word == _FRAMES and state.density is not None:
        frames = nearest(DIRTY, max(1.0, state.density * state.pages))
        return dataclasses.replace(state, density=None, dirty=frames)
    return state


def _here(setting: Setting) -> float:
    """Return the value of the axis at which the sliders stand."""
    if setting.axis == "dirty":
        return float(dirty_in(setting, setting.pages))
    if setting.axis == "pages":
        return float(setting.pages)
    return float(dict(setting.options).get("length") or 1)


def _points(results: Results | None, shown: Any) -> Points:
    if results is None:
        return {}
    return {name: results.percentiles(name) for name in results.samples if name in shown}


def _measured_crossovers(
    results: Results | None, winners: list[Region], shown: tuple[str, ...]
) -> list[CrossoverPoint]:
    """Return the crossovers of neighbours among the winners that were both measured."""
    if results is None:
        return []
    found: list[CrossoverPoint] = []
    for pair in pairs_of(winners, shown):
        if all(name in results.samples for name in pair):
            x, samples = results.matrix(pair)
            if x.size and min(len(row) for row in samples[pair[0]]) > 1:
                found += measured_crossovers(x, samples, [pair])
    return found


def _with_options(name: str, radix: int) -> tuple[str, dict[str, Any]]:
    return ("tree", {"radix": radix}) if name == "tree" else (name, {})
