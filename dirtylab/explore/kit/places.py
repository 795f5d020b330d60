"""Which cells show which views: a view that its cell no longer shows is closed.

A view has some hundred widgets and some MiB of cached pixels; without this each run of its cell
would leave them in the kernel, and a measurement that nobody can cancel.
"""

import sys
from typing import Any

from IPython.display import publish_display_data

WIDGET = "application/vnd.jupyter.widget-view+json"
_shown: dict[str, tuple[str, list[Any]]] = {}
"""Cell to the message that ran it last, and the views that it showed."""
_watched: list[Any] = []
"""Shells whose cells are watched."""

# The output before a still picture is the live view; where there is none, it is an error or a line
# of text, and the picture is what is to be seen.
_STILL_STYLE = "".join(
    f"{one}:has(.dirtylab-view)+{one}:has(.dirtylab-still),"
    f"{one}:not(:has(.dirtylab-view)):has(+{one} .dirtylab-still){{display:none}}"
    for one in (".jp-OutputArea-child", ".output_area")
)


def publish(widget: Any, line: str, still: dict[str, str]) -> None:
    """Show a view in the running cell, and after it its still picture, for pages without a kernel.

    A page hides one of the two: the picture where the view is alive, else what stands for the view.

    Parameters
    ----------
    widget : ViewWidget
        The view.
    line : str
        The line of Python that recreates it.
    still : dict
        Its picture by kind of data.
    """
    view = {"version_major": 2, "version_minor": 0, "model_id": widget.model_id}
    publish_display_data({WIDGET: view, "text/plain": line})
    page = f'<div class="dirtylab-still"><style>{_STILL_STYLE}</style>{still["text/html"]}</div>'
    publish_display_data({**still, "text/html": page})
    _note(widget)


def _note(widget: Any) -> None:
    """Note that the running cell shows a view."""
    shell, cell, message = _running()
    if not cell:
        return
    if shell not in _watched:
        _watched.append(shell)
        shell.events.register("post_run_cell", lambda _: close_replaced())
    before, views = _shown.get(cell, ("", []))
    if before == message:
        views.append(widget)
    else:
        _shown[cell] = (message, [widget])
        _stale.extend(views)


_stale: list[Any] = []
"""Views of earlier runs of a cell, until it has ended: it may show them again."""


def close_replaced() -> None:
    """Close the views of an earlier run of the cell that has ended, where nothing else has them."""
    shell, cell, message = _running()
    before, views = _shown.get(cell, ("", []))
    if before and before != message:  # it ran and showed none
        del _shown[cell]
        _stale.extend(views)
    kept = {id(view) for _, some in _shown.values() for view in some} | _named(shell)
    waiting = [view for view in _stale if id(view) not in kept]
    _stale[:] = []
    for view in waiting:
        view.close()


def _named(shell: Any) -> set[int]:
    """Return what the user's names hold, those of IPython's own history left out."""
    names = getattr(shell, "user_ns", {})
    held = [one for name, one in names.items() if not name.startswith("_") and name != "Out"]
    some = [one for value in held if isinstance(value, list | tuple) for one in value]
    return {id(one) for one in (*held, *some)}


def _running() -> tuple[Any, str, str]:
    """Return the shell, the cell that runs and the message that runs it; empty where unknown."""
    ipython = sys.modules.get("IPython")
    shell: Any = ipython.get_ipython() if ipython else None
    parent = getattr(shell, "parent_header", None) or {}
    if callable(getattr(shell, "get_parent", None)):
        parent = shell.get_parent()
    cell = (parent.get("metadata") or {}).get("cellId", "")
    return shell, str(cell), str((parent.get("header") or {}).get("msg_id", ""))
