"""A view on a page: the same layout of widgets around each view.

::

    title                                            Reset  Export
    sliders, choices, buttons  |  the finding
    more options (opens)       |  picture
    messages · progress        |  more of the finding, assumptions and machine, Copy parameters
    the figure in numbers (opens)

On a narrow page the controls stand above the picture.  A callback, on whatever thread, sets one
value of the state and requests a drawing; the kernel's main loop draws.  One lock guards the state
against both.
"""

import html
import threading
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from dirtylab.explore.kit import places
from dirtylab.explore.kit.control_widgets import ControlPanel, button, keep_figures_open, within
from dirtylab.explore.kit.controls import Slider
from dirtylab.explore.kit.export import download_links, export
from dirtylab.explore.kit.kernel_loop import Coalesced
from dirtylab.explore.kit.page import Bridge, in_voila, latest_page, script, style
from dirtylab.explore.kit.shown_html import message_html, shown_html
from dirtylab.explore.kit.typed import typed
from dirtylab.explore.kit.view import Page, Shown, View

REFUSALS = (ValueError, TypeError, IndexError, MemoryError, OSError)
"""Errors whose message tells a user what is allowed; of others the type is named too."""
TABLE_DELAY = 0.4
"""Seconds without a change after which the table below a figure follows it."""
TICK = 0.7
"""Seconds between the steps of what plays."""
_CLASS = "dirtylab-view"


class ViewWidget(widgets.VBox):  # type: ignore[misc] # ipywidgets has no types
    """A view with its controls, to be shown by JupyterLab or Voila.

    Parameters
    ----------
    view : View
        What is shown; also as attribute ``view``.
    """

    def __init__(self, view: View[Any]) -> None:
        self.view = view
        self._lock = threading.RLock()
        self._last, self._refused, self._closed = "", "", False
        self._page: Page | None = latest_page()
        # One widget for all that follows the state: each further message would cost some 5 ms.
        self._shown = _html("dirtylab-shown")
        self._message = _html("dirtylab-message")
        self._bar = widgets.IntProgress(0, 0, 1, layout=widgets.Layout(width="100%"))
        self._bar.layout.visibility = "hidden"
        self.panel = ControlPanel(
            self._change,
            lambda name: self._guarded(lambda: self._act(name)),
            self._type,
            _classed(widgets.VBox([self._bar, self._message]), "dirtylab-status"),
        )
        self._table = widgets.HTML()
        self._numbers = widgets.Accordion([self._table], titles=["The figure in numbers"])
        self._bridge = Bridge(self._fit, self._pick, self._press, self._gesture)
        self._request_draw = Coalesced(self._draw)
        self._request_table = Coalesced(self._tabulate, TABLE_DELAY)
        self._request_tick = Coalesced(self._tick, TICK)
        view.redraw = self._request_draw
        super().__init__([self._head(), self._body(), self._numbers, self._bridge.widget, script()])
        self.add_class(_CLASS)
        for made in (self._numbers, self._bridge.widget):
            keep_figures_open(made)
        self._draw()
        self._tabulate()

    # --- widgets --------------------------------------------------------------------------------

    def _head(self) -> widgets.Widget:
        """Return the title and the buttons that every view has."""
        export_tip = "CSV, PNG, SVG and PDF, with parameters, method and machine as JSON"
        buttons = [
            button("Reset", "Back to how the view began", lambda: self._guarded(self._reset)),
            button("Export", export_tip, lambda: self._guarded(self._export)),
        ]
        for made in buttons:
            keep_figures_open(made)
        title = widgets.HTML(f"{style()}{html.escape(self.view.title)}")
        return _classed(widgets.HBox([title, widgets.HBox(buttons)]), "dirtylab-head")

    def _body(self) -> widgets.Widget:
        """Return controls and messages on the left, the picture on the right."""
        left = _classed(widgets.VBox([self.panel.box]), "dirtylab-left")
        return _classed(widgets.HBox([left, self._shown]), "dirtylab-body")

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
            if in_voila():
                self._say("Download:", good=True, links=download_links(self.view))
                return
            files = export(self.view)
            names = f"{files[0].stem}.{{{','.join(file.suffix[1:] for file in files)}}}"
            self._say(f"Written to {files[0].parent}: {names}", good=True)

        Coalesced(lambda: self._guarded(write))()

    def _say(self, text: str, *, good: bool = False, links: str = "") -> None:
        self._message.value = message_html(text, good=good, links=links)

    def _fit(self, page: Page) -> None:
        """Note what the page has room for; the figure takes it when it is drawn."""
        self._page = page
        self._request_draw()

    def _pick(self, x: float, y: float) -> None:
        with self._lock:
            self._refused = self._guarded(lambda: self.view.pick(x, y))
        self._request_draw()

    def _press(self, key: str) -> None:
        with self._lock:
            self._refused = self._guarded(lambda: self.view.press(key))
        self._request_draw()

    # --- drawing, on the main loop --------------------------------------------------------------

    def _draw(self) -> None:
        if self._closed:
            return
        self._show_progress()
        try:
            page, self._page = self._page, None
            if page is not None:
                self.view.fit(page)
            shown = self.view.draw()
        except Exception as error:  # a view stays alive
            self._refuse(_error_text(error))
        else:
            self._show(shown)
        with self._lock:  # after the picture: a slot of the anatomy changes a dozen widgets
            self.panel.follow([*self.view.controls(), *self.view.actions()])
        if self._numbers.selected_index is not None:
            self._request_table()
        if self.view.plays:
            self._request_tick()

    def _tick(self) -> None:
        if self._closed or not self.view.plays:
            return
        with self._lock:
            self.view.tick()
        self._request_draw()

    def _show(self, shown: Shown) -> None:
        self._last = shown_html(shown, self.view.line, self.view.pick_label, self.view.said)
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
        if self._closed:
            return
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

    # --- on pages, with and without a kernel ------------------------------------------------------

    def _repr_mimebundle_(self, **kwargs: Any) -> Any:
        # The picture goes along for pages without a kernel, which can't show widgets.
        bundle = super()._repr_mimebundle_(**kwargs)
        data, *rest = bundle if isinstance(bundle, tuple) else (bundle,)
        both = {**data, **self._still()}
        return (both, *rest) if rest else both

    def _ipython_display_(self, **_: Any) -> None:
        places.publish(self, self.view.line, self._still())

    def _still(self) -> dict[str, str]:
        still = self.view.picture()._repr_mimebundle_()
        return {kind: still[kind] for kind in ("text/html", "image/png", "text/plain")}

    def close(self) -> None:
        """Release the measurement, pixels, and all widgets of the view."""
        if self._closed:
            return
        self._closed = True
        self.view.close()
        for made in list(within(self)):
            if made is not self:
                made.close()
        super().close()


def _classed(widget: widgets.Widget, name: str) -> widgets.Widget:
    widget.add_class(name)
    return widget


def _html(name: str) -> widgets.HTML:
    return _classed(widgets.HTML(), name)


def _error_text(error: Exception) -> str:
    """Return an error in words; the type is named where the message is not meant for users."""
    return str(error) if isinstance(error, REFUSALS) else f"{type(error).__name__}: {error}"
