"""A view on a page: the same shell of widgets round each of them.

::

    title                                            Reset  Export  Copy parameters
    sliders, choices, buttons  |  picture
                               |  the finding in a sentence
    messages · progress        |  assumptions and machine
    the figure in numbers (opens)

A callback, on whatever thread, takes over one value and asks for a drawing; the drawing is done on
the kernel's main loop.  One lock guards the state against both.
"""

import html
import threading
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets

from dirtylab.explore.kit.canvas import picture_html
from dirtylab.explore.kit.controls import Action, Choice, Control, Pad, Several, Slider
from dirtylab.explore.kit.export import export
from dirtylab.explore.kit.kernel_loop import Once
from dirtylab.explore.kit.view import Shown, View

REFUSALS = (ValueError, TypeError, IndexError, MemoryError, OSError)
"""Errors that say what a user could do; others are reported with their kind."""
TABLE_DELAY = 0.4
"""Seconds of rest after which the numbers below a figure follow it."""
_CONTROLS_WIDTH, _CONTROL_WIDTH = "382px", "370px"
_PAD_WIDTH = "300px"
"""Eight buttons a row: a row is a word of the toy's bitmap."""
_CLASS = "dirtylab-view"
_STYLE = (
    f"<style>.{_CLASS} .widget-hslider .widget-readout"
    "{min-width:160px;max-width:none;text-align:left;margin-left:8px}"
    f".{_CLASS} th,.{_CLASS} td{{padding:0 8px}}</style>"
)
"""A readout is as wide as a slot's pages and memory; columns of a table stand apart."""
_COPY = html.escape(
    "navigator.clipboard.writeText(this.nextElementSibling.textContent)"
    ".then(()=>{this.textContent='Copied'},()=>{this.textContent='Select and copy:'});"
    "setTimeout(()=>{this.textContent='Copy parameters'},1500)",
    quote=True,
)


class Frame(widgets.VBox):  # type: ignore[misc] # ipywidgets has no types
    """A view with its controls, to be shown by JupyterLab or Voila.

    Parameters
    ----------
    view : View
        What is shown; also as attribute ``view``.
    """

    def __init__(self, view: View[Any]) -> None:
        self.view = view
        self._lock = threading.RLock()
        self._known: dict[str, Any] = {}
        self._made: dict[str, widgets.Widget] = {}
        self._shape: tuple[Any, ...] = ()
        self._last, self._refused = "", ""
        self._syncing = False
        self._build()
        self._ask, self._ask_table = Once(self._draw), Once(self._tabulate, TABLE_DELAY)
        view.redraw = self._ask
        super().__init__(
            [self._head, self._body, self._numbers],
            layout=widgets.Layout(width="100%", border="1px solid #d0d0d0", padding="8px"),
        )
        self.add_class(_CLASS)
        for own in (*self._head.children[1].children, self._numbers):
            leave_figures_alone(own)
        self._draw()
        self._tabulate()

    # --- widgets --------------------------------------------------------------------------------

    def _build(self) -> None:
        # One widget for all that follows the state: each further message would cost some 5 ms.
        self._shown = widgets.HTML()
        self._message = widgets.HTML(layout=widgets.Layout(min_height="44px"))
        self._bar = widgets.IntProgress(0, 0, 1, layout=widgets.Layout(width="100%"))
        self._bar.layout.visibility = "hidden"
        self._table = widgets.HTML()
        self._numbers = widgets.Accordion([self._table], titles=["The figure in numbers"])
        self._head = widgets.HBox(
            [widgets.HTML(f"{_STYLE}<b style='font-size:15px'>{html.escape(self.view.title)}</b>"),
             widgets.HBox([self._button("Reset", "Back to how the view began", self._reset),
                           self._button("Export", "Write CSV, PNG, SVG and PDF, and what they rest "
                                        "on as JSON", self._export)])],
            layout=widgets.Layout(justify_content="space-between"),
        )  # fmt: skip
        # Beside the picture one column of controls; where they stand above it, as many as fit.
        self._controls = widgets.HBox(layout=widgets.Layout(flex_flow="row wrap", width="100%"))
        left = widgets.VBox(
            [self._controls, self._bar, self._message],
            layout=widgets.Layout(flex=f"1 1 {_CONTROLS_WIDTH}", min_width=_CONTROLS_WIDTH),
        )
        self._body = widgets.HBox([left, self._shown], layout=widgets.Layout(flex_flow="row wrap"))

    def _button(
        self, label: str, tip: str, action: Callable[[], None], enabled: bool = True
    ) -> widgets.Button:
        button = widgets.Button(
            description=label, tooltip=tip, disabled=not enabled,
            layout=widgets.Layout(width="auto"),
        )  # fmt: skip
        button.on_click(lambda _: self._guarded(action))
        return button

    # --- callbacks, on any thread ---------------------------------------------------------------

    def _guarded(self, action: Callable[[], None]) -> str:
        """Do what a button says; say what went wrong, if anything, and return it."""
        try:
            action()
        except REFUSALS as error:
            wrong = str(error)
        except Exception as error:  # a view stays alive
            wrong = f"{type(error).__name__}: {error}"
        else:
            return ""
        self._say(wrong)
        return wrong

    def _take(self, name: str, value: Any) -> None:
        """Take over what a control was set to; where it is refused, the control goes back."""
        with self._lock:
            if self._syncing or self._known.get(name, self) == value:
                return
            self._known[name] = value
            self._refused = self._guarded(lambda: self.view.change(name, value))
        self._ask()

    def _act(self, name: str) -> None:
        self.view.act(name)
        self._ask()

    def _reset(self) -> None:
        with self._lock:
            self.view.reset()
            self._refused = ""
        self._say("")
        self._ask()

    def _export(self) -> None:
        def write() -> None:
            files = export(self.view)
            names = f"{files[0].stem}.{{{','.join(file.suffix[1:] for file in files)}}}"
            self._say(f"Written to {files[0].parent}: {names}", good=True)

        Once(lambda: self._guarded(write))()

    def _say(self, text: str, *, good: bool = False) -> None:
        color = "#1b5e20" if good else "#a00000"
        self._message.value = (
            f'<div role="{"status" if good else "alert"}" style="color:{color};line-height:1.3">'
            f"{html.escape(text)}</div>"
            if text
            else ""
        )

    # --- drawing, on the main loop --------------------------------------------------------------

    def _draw(self) -> None:
        self._show_progress()
        try:
            shown = self.view.draw()
        except REFUSALS as error:
            self._refuse(str(error))
        except Exception as error:  # a view stays alive
            self._refuse(f"{type(error).__name__}: {error}")
        else:
            self._show(shown)
        with self._lock:  # after the picture: a slot of the anatomy changes a dozen widgets
            self._sync()
        if self._numbers.selected_index is not None:
            self._ask_table()

    def _show(self, shown: Shown) -> None:
        self._last = shown_html(shown, self.view.line)
        self._shown.value = self._last
        if 'role="alert"' in self._message.value:
            self._say(self._refused)

    def _refuse(self, why: str) -> None:
        """Say why there is no such picture; the last one fades."""
        self._say(why)
        if self._last:
            self._shown.value = f'<div style="opacity:.25">{self._last}</div>'

    def _show_progress(self) -> None:
        progress = self.view.progress()
        self._bar.max, self._bar.value = max(progress.total, 1), progress.done
        self._bar.layout.visibility = "visible" if progress.running else "hidden"
        if progress.message:
            self._say(progress.message, good=True)

    def _tabulate(self) -> None:
        try:
            self._table.value = self.view.table().to_html(
                index=False, border=0, max_rows=80, float_format=lambda one: f"{one:,.4g}"
            )
        except REFUSALS as error:
            self._table.value = html.escape(str(error))

    # --- controls and state ---------------------------------------------------------------------

    def _sync(self) -> None:
        """Let the widgets be those of the present controls, with the values of the state."""
        controls = [*self.view.controls(), *self.view.actions()]
        shape = tuple(_shape(control) for control in controls)
        if shape != self._shape:
            self._shape = shape
            self._make(controls)
            return
        self._syncing = True
        try:
            for control in controls:
                self._follow(control)
        finally:
            self._syncing = False

    def _make(self, controls: Sequence[Control]) -> None:
        """Make widgets anew."""
        self._made = {}
        for control in controls:
            if not isinstance(control, Action):
                self._known[control.name] = control.value
        rows = [self._widget(control) for control in controls]
        self._controls.children = _rows(controls, rows)
        for made in self._made.values():
            leave_figures_alone(made)

    def _follow(self, control: Control) -> None:
        """Let a widget follow its control; what has not changed sends no message."""
        if isinstance(control, Action):
            self._made[control.name].disabled = not control.enabled
            return
        if isinstance(control, Slider):
            options = _options(control)
            if self._made[control.name].options != options:
                self._made[control.name].options = options
                self._made[control.name].value = control.value
        if isinstance(control, Pad):
            for number in range(control.most):
                self._made[f"{control.name} {number}"].disabled = number >= control.size
        if self._known[control.name] != control.value:
            self._known[control.name] = control.value
            self._set(control)

    def _widget(self, control: Control) -> widgets.Widget:
        if isinstance(control, Several | Pad):
            return self._field(control)
        if isinstance(control, Action):
            made = self._button(
                control.label, control.tip, lambda: self._act(control.name), control.enabled
            )
        else:
            made = _slider(control) if isinstance(control, Slider) else _choice(control)
            made.observe(lambda change: self._take(control.name, change["new"]), names="value")
        self._made[control.name] = made
        return made

    def _field(self, control: Several | Pad) -> widgets.Widget:
        """Return buttons or boxes of which any number may be set."""
        boxes = {word: _box(control, word) for word in _words(control)}

        def take(_: object) -> None:
            self._take(control.name, tuple(word for word, box in boxes.items() if box.value))

        for word, box in boxes.items():
            self._made[f"{control.name} {word}"] = box
            box.observe(take, names="value")
        return _titled(control, list(boxes.values()))

    def _set(self, control: Slider | Choice | Several | Pad) -> None:
        if isinstance(control, Several | Pad):
            for word in _words(control):
                self._made[f"{control.name} {word}"].value = word in control.value
        else:
            self._made[control.name].value = control.value

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        # The picture goes along for pages without a kernel, which can't show widgets.
        bundle = super()._repr_mimebundle_(**kwargs)
        data, *rest = bundle if isinstance(bundle, tuple) else (bundle,)
        still = self.view.picture()._repr_mimebundle_()
        both = {**data, **{kind: still[kind] for kind in ("text/html", "image/png", "text/plain")}}
        return (both, *rest) if rest else both

    def close(self) -> None:
        """Let go of widgets and worker."""
        self.view.close()
        super().close()


def _shape(control: Control) -> tuple[Any, ...]:
    """Return what a control's widget is made for; another one needs another widget."""
    if isinstance(control, Slider):
        return (control.name, control.label)
    if isinstance(control, Pad):
        return (control.name, control.most)
    if isinstance(control, Action):
        return (control.name, control.label)
    return (control.name, control.label, control.words)


def _slider(control: Slider) -> widgets.SelectionSlider:
    return widgets.SelectionSlider(
        options=_options(control),
        value=control.value, description=control.label, continuous_update=True,
        style={"description_width": "95px"}, layout=widgets.Layout(width=_CONTROL_WIDTH),
    )  # fmt: skip


def _options(control: Slider) -> tuple[tuple[str, Any], ...]:
    return tuple((control.shown(step), step) for step in control.steps)


def _choice(control: Choice) -> widgets.Dropdown:
    return widgets.Dropdown(
        options=[(control.shown.get(word, word), word) for word in control.words],
        value=control.value, description=control.label,
        style={"description_width": "95px"}, layout=widgets.Layout(width=_CONTROL_WIDTH),
    )  # fmt: skip


def _words(control: Several | Pad) -> Sequence[Any]:
    return control.words if isinstance(control, Several) else range(control.most)


def _box(control: Several | Pad, word: Any) -> widgets.Widget:
    if isinstance(control, Pad):
        return widgets.ToggleButton(
            word in control.value, description=str(word), tooltip=f"{control.label} {word}",
            disabled=word >= control.size,
            layout=widgets.Layout(width="34px", height="24px", padding="0", margin="1px"),
        )  # fmt: skip
    return widgets.Checkbox(
        word in control.value, description=control.shown.get(word, word), indent=False,
        layout=widgets.Layout(width="auto", margin="0 8px 0 0"),
    )  # fmt: skip


def _titled(control: Several | Pad, boxes: Sequence[widgets.Widget]) -> widgets.Widget:
    width = _PAD_WIDTH if isinstance(control, Pad) else "100%"
    row = widgets.HBox(boxes, layout=widgets.Layout(flex_flow="row wrap", width=width))
    return widgets.VBox([widgets.HTML(html.escape(control.label)), row], layout=_column())


def _rows(controls: Sequence[Control], made: Sequence[widgets.Widget]) -> list[widgets.Widget]:
    """Return widgets from top to bottom, buttons beside one another."""
    pairs = list(zip(controls, made, strict=True))
    buttons = [one for control, one in pairs if isinstance(control, Action)]
    rest = [one for control, one in pairs if not isinstance(control, Action)]
    return [*rest, widgets.HBox(buttons, layout=_column())]


def _column() -> widgets.Layout:
    return widgets.Layout(width=_CONTROL_WIDTH)


def leave_figures_alone(widget: Any) -> None:
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


def shown_html(shown: Shown, line: str) -> str:
    """Return a picture, what is said of it, and the line of Python that recreates it."""
    width = f"max-width:{shown.size[0]}px"
    return (
        f"<div>{picture_html(shown.png, shown.alt, shown.size)}"
        f'<div role="status" style="font-size:14px;line-height:1.4;min-height:60px;{width}">'
        f"{html.escape(shown.sentence)}</div>{shown.extra}"
        f'<div style="font-size:12px;line-height:1.35;min-height:48px;color:#595959;{width}">'
        f"{html.escape(shown.note)}</div>"
        f'<div style="font-size:12px;line-height:1.5;{width}">'
        f'<button type="button" class="jupyter-button" onclick="{_COPY}">Copy parameters</button> '
        f"<code>{html.escape(line)}</code></div></div>"
    )
