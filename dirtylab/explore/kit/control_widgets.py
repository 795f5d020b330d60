"""The widgets of a view's controls: made from sliders, choices and buttons, and kept in step."""

import html
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import ipywidgets as widgets

from dirtylab.explore.kit.controls import Action, Choice, Control, Pad, Several, Slider
from dirtylab.explore.kit.shown_html import words_html


class ControlPanel:
    """The widgets of controls.

    Parameters
    ----------
    on_change : callable
        Called with the name and the value of a control that was moved, on any thread.
    on_press : callable
        Called with the name of a button that was pressed, on any thread.
    on_type : callable
        Called with the name of a slider and the text that was typed beside it, on any thread.
    status : widget
        What stands beside the buttons, or below where there is no room.
    """

    def __init__(
        self,
        on_change: Callable[[str, Any], None],
        on_press: Callable[[str], object],
        on_type: Callable[[str, str], None],
        status: widgets.Widget,
    ) -> None:
        self._status = status
        self._on_change, self._on_press, self._on_type = on_change, on_press, on_type
        self._usual, self._folded, self._buttons = (_grid(), _grid(), widgets.HBox())
        self._folded.layout.display = "none"
        self._buttons.add_class("dirtylab-buttons")
        self._more = widgets.ToggleButton(
            False, description="More options", tooltip="Options that are seldom wanted"
        )
        self._more.add_class("dirtylab-more")
        self._more.observe(self._fold, names="value")
        keep_figures_open(self._more)
        self._words = widgets.HTML()
        self._words.add_class("dirtylab-hidden")
        self.box = widgets.VBox([self._usual, self._buttons, self._folded, self._words])
        self.widgets: dict[str, widgets.Widget] = {}
        """Widgets by name; of a field of several, ``"name word"`` each."""
        self._values: dict[str, Any] = {}
        self._shape: tuple[Any, ...] = ()
        self._following = False

    def is_news(self, name: str, value: Any) -> bool:
        """Note a control's value; return whether a user changed it."""
        if self._following or self._values.get(name, self) == value:
            return False
        self._values[name] = value
        return True

    def follow(self, controls: Sequence[Control]) -> None:
        """Let the widgets be those of the controls, with their values."""
        shape = tuple(_shape(control) for control in controls)
        self._name_steps(controls)
        if shape != self._shape:
            self._shape = shape
            self._make(controls)
            return
        self._following = True
        try:
            for control in controls:
                self._follow(control)
        finally:
            self._following = False

    def _make(self, controls: Sequence[Control]) -> None:
        """Make widgets anew; close those before, which would stay in the kernel."""
        before = [*self._usual.children, *self._folded.children, *self._buttons.children]
        self.widgets = {}
        for control in controls:
            if not isinstance(control, Action):
                self._values[control.name] = control.value
        made = [(control, self._widget(control)) for control in controls]
        buttons = [one for control, one in made if isinstance(control, Action)]
        folded = [one for control, one in made if getattr(control, "folded", False)]
        self._usual.children = [one for _, one in made if one not in (*buttons, *folded)]
        self._folded.children = folded
        self._buttons.children = [*buttons, *([self._more] if folded else []), self._status]
        for one in self.widgets.values():
            keep_figures_open(one)
        for one in before:
            if one not in (self._more, self._status):
                close_all(one)

    def _fold(self, change: Any) -> None:
        self._folded.layout.display = "" if change["new"] else "none"

    def _name_steps(self, controls: Sequence[Control]) -> None:
        """Tell the page what the steps of sliders are called, where that is new."""
        words = {
            control.label: [text for text, _ in _options(control)]
            for control in controls
            if isinstance(control, Slider)
        }
        told = words_html(words)
        if self._words.value != told:
            self._words.value = told

    def _follow(self, control: Control) -> None:
        """Let a widget follow its control; what has not changed sends no message."""
        if isinstance(control, Action):
            self.widgets[control.name].disabled = not control.enabled
            return
        if isinstance(control, Slider):
            options = _options(control)
            if self.widgets[control.name].options != options:
                self.widgets[control.name].options = options
                self.widgets[control.name].value = control.value
            self.widgets[f"{control.name} typed"].value = control.shown(control.value)
        if isinstance(control, Pad):
            for number in range(control.most):
                self.widgets[f"{control.name} {number}"].disabled = number >= control.size
        if self._values[control.name] != control.value:
            self._values[control.name] = control.value
            self._set(control)

    def _set(self, control: Slider | Choice | Several | Pad) -> None:
        if isinstance(control, Several | Pad):
            for word in _words(control):
                self.widgets[f"{control.name} {word}"].value = word in control.value
        else:
            self.widgets[control.name].value = control.value

    def _widget(self, control: Control) -> widgets.Widget:
        if isinstance(control, Several | Pad):
            return self._field(control)
        if isinstance(control, Action):
            made = button(
                control.label, control.tip, lambda: self._on_press(control.name), control.enabled
            )
        else:
            made = _slider(control) if isinstance(control, Slider) else _choice(control)
            made.observe(lambda change: self._on_change(control.name, change["new"]), names="value")
        self.widgets[control.name] = made
        if not isinstance(control, Slider):
            return made
        row = widgets.HBox([made, self._entry(control)])
        row.add_class("dirtylab-slider")
        return row

    def _entry(self, control: Slider) -> widgets.Text:
        """Return the field beside a slider: it shows the value, and takes another."""
        entry = widgets.Text(
            control.shown(control.value), continuous_update=False,
            tooltip=f"{control.label}: type a value, such as 64GiB, 1% or 10M",
        )  # fmt: skip

        def take(change: Any) -> None:
            if not self._following:
                self._on_type(control.name, change["new"])

        entry.observe(take, names="value")
        self.widgets[f"{control.name} typed"] = entry
        return entry

    def _field(self, control: Several | Pad) -> widgets.Widget:
        """Return buttons or boxes of which any number may be set."""
        boxes = {word: _box(control, word) for word in _words(control)}

        def take(_: object) -> None:
            chosen = tuple(word for word, box in boxes.items() if box.value)
            self._on_change(control.name, chosen)

        for word, box in boxes.items():
            self.widgets[f"{control.name} {word}"] = box
            box.observe(take, names="value")
        return _titled(control, list(boxes.values()))


def button(
    label: str, tip: str, action: Callable[[], object], enabled: bool = True
) -> widgets.Button:
    """Return a button that runs `action`."""
    made = widgets.Button(
        description=label, tooltip=tip, disabled=not enabled, layout=widgets.Layout(width="auto")
    )
    made.on_click(lambda _: action())
    return made


def keep_figures_open(widget: Any) -> None:
    """Keep messages to a widget from ending the cell that runs beside them, as IPython sees it.

    A message makes comm 0.2 trigger IPython's hook ``post_execute``, on which matplotlib-inline
    shows and closes all figures of pyplot, those too that a cell is half way through on another
    thread.  Measured, a slider pressed each 60 ms while a cell draws 40 figures: without this 27
    and 29 of them were wrong, with it none.
    """
    comm = widget.comm

    def handle(message: Any) -> None:
        if comm._msg_callback is not None:
            comm._msg_callback(message)

    if hasattr(comm, "_msg_callback"):
        comm.handle_msg = handle


def _shape(control: Control) -> tuple[Any, ...]:
    """Return what a control's widget is made for; another one needs another widget."""
    if isinstance(control, Pad):
        return (control.name, control.most)
    if isinstance(control, Slider | Action):
        return (control.name, control.label)
    return (control.name, control.label, control.words)


def _slider(control: Slider) -> widgets.SelectionSlider:
    return widgets.SelectionSlider(
        options=_options(control),
        value=control.value, description=control.label, continuous_update=True,
        readout=False,  # it can be typed into, and what is typed there reaches nobody
    )  # fmt: skip


def _options(control: Slider) -> tuple[tuple[str, Any], ...]:
    return tuple((control.shown(step), step) for step in control.steps)


def _choice(control: Choice) -> widgets.Dropdown:
    return widgets.Dropdown(
        options=[(control.shown.get(word, word), word) for word in control.words],
        value=control.value, description=control.label,
    )  # fmt: skip


def _words(control: Several | Pad) -> Sequence[Any]:
    return control.words if isinstance(control, Several) else range(control.most)


def _box(control: Several | Pad, word: Any) -> widgets.Widget:
    if isinstance(control, Pad):
        return widgets.ToggleButton(
            word in control.value, description=str(word), tooltip=f"{control.label} {word}",
            disabled=word >= control.size,
        )  # fmt: skip
    return widgets.Checkbox(
        word in control.value, description=control.shown.get(word, word), indent=False,
        layout=widgets.Layout(width="auto", margin="0 8px 0 0"),
    )  # fmt: skip


def _titled(control: Several | Pad, boxes: Sequence[widgets.Widget]) -> widgets.Widget:
    row = widgets.HBox(boxes, layout=widgets.Layout(flex_flow="row wrap"))
    if isinstance(control, Pad):
        row.add_class("dirtylab-pad")
    made = widgets.VBox([widgets.HTML(html.escape(control.label)), row])
    made.add_class("dirtylab-wide")
    return made


def _grid() -> widgets.VBox:
    """Return a box of as many columns of controls as fit."""
    made = widgets.VBox()
    made.add_class("dirtylab-controls")
    return made


def close_all(widget: widgets.Widget) -> None:
    """Close a widget and all that it holds."""
    for one in list(within(widget)):
        one.close()


def within(widget: widgets.Widget, seen: set[int] | None = None) -> Iterator[widgets.Widget]:
    """Yield what a widget holds, children, layouts and styles, and the widget last."""
    seen = set() if seen is None else seen
    if id(widget) in seen:
        return
    seen.add(id(widget))
    for name in widget.keys:
        value = getattr(widget, name, None)
        for one in value if isinstance(value, list | tuple) else (value,):
            if isinstance(one, widgets.Widget):
                yield from within(one, seen)
    yield widget
