"""The page around a view: its style, its script, and what the script tells of page and picture.

The script comes in an output of the view, and once more as an extension of JupyterLab where the
package is installed beside the server; a content security policy allows only that one.  It sends
events through a hidden text widget, which every front end has.
"""

import functools
import json
import os
import pathlib
from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets

from dirtylab.explore.kit.view import Page

_HERE = pathlib.Path(__file__).parent
_latest: list[Page] = []
"""The page that was told last: the next view begins with its size."""


@functools.cache
def style() -> str:
    """Return the style of all views."""
    return f"<style>{(_HERE / 'page.css').read_text(encoding='utf-8')}</style>"


def script() -> widgets.Output:
    """Return a widget that runs the script of the page, where no earlier one has."""
    text = (_HERE / "page.js").read_text(encoding="utf-8")
    shown = {
        "output_type": "display_data",
        "data": {"text/html": f"<script>{text}</script>", "text/plain": ""},
        "metadata": {},
    }
    made = widgets.Output(outputs=(shown,))
    made.add_class("dirtylab-hidden")
    return made


def latest_page() -> Page | None:
    """Return what the page of an earlier view has told."""
    return _latest[0] if _latest else None


def in_voila() -> bool:
    """Return whether the kernel serves a visitor of Voila, who has no folder on this machine."""
    return os.environ.get("SERVER_SOFTWARE", "").startswith("voila")


class Bridge:
    """Takes what the script of the page tells.

    Parameters
    ----------
    on_page : callable
        Called with the size of the page, on any thread.
    on_pick : callable
        Called with a place on the picture that was clicked, in shares of it.
    on_press : callable
        Called with the name of a key that was pressed on the picture.
    on_gesture : callable
        Called with the words of a drag, or of a key on a number of the sentence.
    """

    def __init__(
        self,
        on_page: Callable[[Page], None],
        on_pick: Callable[[float, float], None],
        on_press: Callable[[str], None],
        on_gesture: Callable[[list[str]], None],
    ) -> None:
        self._on_page, self._on_pick, self._on_press = on_page, on_pick, on_press
        self._on_gesture = on_gesture
        self._taken = 0
        self.widget = widgets.Text(continuous_update=False)
        self.widget.add_class("dirtylab-bridge")
        self.widget.add_class("dirtylab-hidden")
        self.widget.observe(lambda change: self.take(change["new"]), names="value")

    def take(self, text: str) -> None:
        """Take the events that are new among the last few; what can't be read is left."""
        try:
            events = [(int(number), str(kind), data) for number, kind, data in json.loads(text)]
        except (ValueError, TypeError):
            return
        for number, kind, data in events:
            if number > self._taken:
                self._taken = number
                self._hear(kind, data)

    def _hear(self, kind: str, data: Any) -> None:
        if kind == "press" and isinstance(data, str):
            self._on_press(data)
        elif kind == "gesture" and isinstance(data, list) and data:
            self._on_gesture([str(one) for one in data])
        elif kind == "pick" and _numbers(data, 2):
            self._on_pick(*map(float, data))
        elif kind == "page" and _numbers(data, 3):
            page = Page(int(data[0]), int(data[1]), float(data[2]))
            _latest[:] = [page]
            self._on_page(page)


def _numbers(data: Any, count: int) -> bool:
    return (
        isinstance(data, Sequence)
        and len(data) == count
        and all(isinstance(one, int | float) and abs(one) < 1e5 for one in data)
    )
