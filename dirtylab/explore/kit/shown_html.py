"""The part of a view that follows its state, as HTML: finding, picture, small print, its line."""

import html
import json
from collections.abc import Mapping, Sequence

from dirtylab.explore.kit.canvas import picture_html
from dirtylab.explore.kit.view import Shown, headline


def shown_html(shown: Shown, line: str, pick_label: str = "", said: str = "") -> str:
    """Return a finding, its picture and small print, and the line of Python that recreates it.

    Parameters
    ----------
    shown : Shown
        What a reader gets.
    line : str
        The line of Python.
    pick_label : str, optional
        What keys and clicks on the picture do.
    said : str, optional
        What a control's last move changed beside it.
    """
    title, rest = headline(shown.sentence)
    finding = f'<div class="dirtylab-finding">{html.escape(title)}</div>'
    changed = f'<div class="dirtylab-said" role="status">{html.escape(said)}</div>' if said else ""
    picture = picture_html(shown.png, shown.alt, shown.size)
    if pick_label:
        told = html.escape(pick_label, quote=True)
        picture = f'<div data-dirtylab-pick="{told}">{picture}</div>'
    return (
        f'<div>{shown.banner}<div role="status">{shown.lead or finding}</div>{changed}{picture}'
        f'<div class="dirtylab-told">{html.escape(rest)}</div>{shown.extra}'
        f'<div class="dirtylab-note">{html.escape(shown.note)}</div>'
        '<div class="dirtylab-line">'
        '<button type="button" class="jupyter-button dirtylab-copy">Copy parameters</button> '
        '<span class="dirtylab-hint">Parameters (click the line, then copy it):</span> '
        f"<code>{html.escape(line)}</code></div></div>"
    )


def message_html(text: str, *, good: bool, links: str = "") -> str:
    """Return a message: news, or an alert that says so without colour too."""
    if not text:
        return ""
    role, kind = ("status", "good") if good else ("alert", "wrong")
    return f'<div role="{role}" class="dirtylab-{kind}">{html.escape(text)} {links}</div>'


def words_html(words: Mapping[str, Sequence[str]]) -> str:
    """Return what the steps of each slider are called, by its label, for the script of the page."""
    return f'<span data-dirtylab-words="{html.escape(json.dumps(words), quote=True)}"></span>'
