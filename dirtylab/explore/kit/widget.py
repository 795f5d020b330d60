"""A view on a page: the same layout of widgets around each view.

::

    title                                            Reset  Export  Copy parameters
    sliders, choices, buttons  |  picture
                               |  the finding in a sentence
    messages · progress        |  assumptions and machine
    the figure in numbers (opens)

A callback, on whatever thread, sets one value of the state and requests a drawing; the kernel's
main loop draws.  One lock guards the state against both.
"""

import html
import threading
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from dirtylab.explore.kit.canvas import picture_html
from dirtylab.explore.kit.control_widgets import ControlPanel, button, keep_figures_open
from dirtylab.explore.kit.controls import Slider
from dirtylab.explore.kit.export import export
from dirtylab.explore.kit.kernel_loop import Coalesced
from dirtylab.explore.kit.pointer import Pointer
from dirtylab.explore.kit.typed import typed
from dirtylab.explore.kit.view import Shown, View

REFUSALS = (ValueError, TypeError, IndexError, MemoryError, OSError)
"""Errors whose message tells a user what is allowed; of others the type is named too."""
TABLE_DELAY = 0.4
"""Seconds without a change after which the table below a figure follows it."""
_LEFT_WIDTH = "382px"
_CLASS = "dirtylab-view"
_STYLE = f"<style>.{_CLASS} th,.{_CLASS} td{{padding:0 8px}}</style>"
"""Columns of a table stand apart."""
_COPY = html.escape(
    "navigator.clipboard.writeText(this.nextElementSibling.textContent)"
    ".then(()=>{this.textContent='Copied'},()=>{this.textContent='Select and copy:'});"
    "setTimeout(()=>{this.textContent='Copy parameters'},1500)",
    quote=True,
)


class ViewWidget(widgets.VBox):  # type: ignore[misc] # ipywidgets has no types
    """A view with its controls, to be shown by JupyterLab or Voila.

    Parameters
    ----------
    view : View
        What is shown; also as attribute ``view``.
    """

    def __init__(self, view: View[Any]) -> None:
        self.view = view
        self.panel = ControlPanel(
            self._change, lambda name: self._guarded(lambda: self._act(name)), self._type
        )
        self._lock = threading.RLock()
        self._last, self._refused = "", ""
        # One widget for all that follows the state: each further message would cost some 5 ms.
        self._shown = widgets.HTML()
        self._message = widgets.HTML(layout=widgets.Layout(min_height="44px"))
        self._bar = widgets.IntProgress(0, 0, 1, layout=widgets.Layout(width="100%"))
        self._bar.layout.visibility = "hidden"
        self._table = widgets.HTML()
        self._numbers = widgets.Accordion([self._table], titles=["The figure in numbers"])
        self._request_draw = Coalesced(self._draw)
        self._request_table = Coalesced(self._tabulate, TABLE_DELAY)
        view.redraw = self._request_draw
        touch = [Pointer(self._gesture, self._shown).box] if view.touched else []
        super().__init__(
            [self._head(), self._body(), self._numbers, *touch],
            layout=widgets.Layout(width="100%", border="1px solid #d0d0d0", padding="8px"),
        )
        self.add_class(_CLASS)
        for made in (self._numbers, *(child for box in touch for child in box.children)):
            keep_figures_open(made)
        self._draw()
        self._tabulate()

    # --- widgets --------------------------------------------------------------------------------

    def _head(self) -> widgets.Widget:
        """Return the title and the buttons that every view has."""
        export_tip = "Write CSV, PNG, SVG and PDF, with parameters, method and machine as JSON"
        buttons = [
            button("Reset", "Back to how the view began", lambda: self._guarded(self._reset)),
            button("Export", export_tip, lambda: self._guarded(self._export)),
        ]
        for made in buttons:
            keep_figures_open(made)
        title = f"{_STYLE}<b style='font-size:15px'>{html.escape(self.view.title)}</b>"
        return widgets.HBox(
            [widgets.HTML(title), widgets.HBox(buttons)],
            layout=widgets.Layout(justify_content="space-between"),
        )

    def _body(self) -> widgets.Widget:
        """Return controls and messages on the left, the picture on the right."""
        left = widgets.VBox(
            [self.panel.box, self._bar, self._message],
            layout=widgets.Layout(flex=f"1 1 {_LEFT_WIDTH}", min_width=_LEFT_WIDTH),
        )
        return widgets.HBox([left, self._shown], layout=widgets.Layout(flex_flow="row wrap"))

    # --- callbacks, on any thread ---------------------------------------------------------------

    def _guarded(self, action: Callable[[], object]) -> str:
        """Run an action; show what went wrong, if anything, and return it."""
        try:
            action()
        except Exception as error:  # a view stays alive
            wrong = _error_text(error)
            self._say(wrong)
            return wrong
        return ""

    def _change(self, name: str, value: Any) -> None:
        """Set a value of the state to that of a control; where refused, the control goes back."""
        with self._lock:
            if not self.panel.is_news(name, value):
                return
            self._refused = self._guarded(lambda: self.view.change(name, value))
        self._request_draw()

    def _gesture(self, words: list[str]) -> None:
        """Follow a drag or a key on the picture or the sentence."""
        if words[0] == "press":
            self._guarded(lambda: self._act(words[1]))
            return
        with self._lock:
            self._refused = self._guarded(lambda: self.view.gesture(words))
        self._request_draw()

    def _type(self, name: str, text: str) -> None:
        """Set a value to what was typed beside its slider; where refused, the readout goes back."""
        with self._lock:
            slider = next(one for one in self.view.controls() if one.name == name)
            if not isinstance(slider, Slider) or text == slider.shown(slider.value):
                return
            pages = getattr(self.view.state, "pages", None)
            self._refused = self._guarded(
                lambda: self.view.change(name, typed(slider, text, pages))
            )
        self._request_draw()

    def _act(self, name: str) -> None:
        self.view.act(name)
        self._request_draw()

    def _reset(self) -> None:
        with self._lock:
            self.view.reset()
            self._refused = ""
        self._say("")
        self._request_draw()

    def _export(self) -> None:
        def write() -> None:
            files = export(self.view)
            names = f"{files[0].stem}.{{{','.join(file.suffix[1:] for file in files)}}}"
            self._say(f"Written to {files[0].parent}: {names}", good=True)

        Coalesced(lambda: self._guarded(write))()

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
        except Exception as error:  # a view stays alive
            self._refuse(_error_text(error))
        else:
            self._show(shown)
        with self._lock:  # after the picture: a slot of the anatomy changes a dozen widgets
            self.panel.follow([*self.view.controls(), *self.view.actions()])
        if self._numbers.selected_index is not None:
            self._request_table()

    def _show(self, shown: Shown) -> None:
        self._last = shown_html(shown, self.view.line, self.view.said)
        self._shown.value = self._last
        if 'role="alert"' in self._message.value:
            progress = self.view.progress()
            self._say(self._refused or (progress.message if progress.failed else ""))

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
            self._say(progress.message, good=not progress.failed)

    def _tabulate(self) -> None:
        try:
            self._table.value = self.view.table().to_html(
                index=False,
                border=0,
                max_rows=80,
                na_rep="–",
                float_format=lambda one: f"{one:,.4g}",
            )
        except REFUSALS as error:
            self._table.value = html.escape(str(error))

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        # The picture goes along for pages without a kernel, which can't show widgets.
        bundle = super()._repr_mimebundle_(**kwargs)
        data, *rest = bundle if isinstance(bundle, tuple) else (bundle,)
        still = self.view.picture()._repr_mimebundle_()
        both = {**data, **{kind: still[kind] for kind in ("text/html", "image/png", "text/plain")}}
        return (both, *rest) if rest else both

    def close(self) -> None:
        """Release widgets and worker."""
        self.view.close()
        super().close()


def _error_text(error: Exception) -> str:
    """Return an error in words; the type is named where the message is not meant for users."""
    return str(error) if isinstance(error, REFUSALS) else f"{type(error).__name__}: {error}"


def shown_html(shown: Shown, line: str, said: str = "") -> str:
    """Return a picture, its finding and small print, and the line of Python that recreates it.

    What a control's move changed beside it stands above the finding.
    """
    width = f"max-width:{shown.size[0]}px"
    changed = f'<div style="font-size:14px;font-weight:600">{html.escape(said)}</div>' * bool(said)
    return (
        f"<div>{shown.head}{picture_html(shown.png, shown.alt, shown.size)}{changed}"
        f'<div role="status" style="font-size:14px;line-height:1.4;min-height:60px;{width}">'
        f"{html.escape(shown.sentence)}</div>{shown.extra}"
        f'<div style="font-size:12px;line-height:1.35;min-height:48px;color:#595959;{width}">'
        f"{html.escape(shown.note)}</div>"
        f'<div style="font-size:12px;line-height:1.5;{width}">'
        f'<button type="button" class="jupyter-button" onclick="{_COPY}">Copy parameters</button> '
        f"<code>{html.escape(line)}</code></div></div>"
    )
