"""Numbers to drag, links that press buttons, the place of the axes: for the script of the page.

What the script tells a view, word by word:

====================  ============================================================================
``drag X Y``          the pointer, held down, is at that place of the axes, each 0 … 1
``step NAME STEPS``   a number of the finding was dragged, or had a key
``press NAME``        a link that stands for a button
``ready``             the view is on a page that is alive
====================  ============================================================================

Where a page runs no scripts, sliders and buttons do the same.
"""

import html


def scrub(name: str, label: str, text: str) -> str:
    """Return a number of a sentence that can be dragged, and moved by arrow keys."""
    label, text = html.escape(label, quote=True), html.escape(text)
    return (
        f'<span class="dirtylab-scrub" data-name="{name}" tabindex="0" role="slider" '
        f'aria-label="{label}" aria-valuetext="{text}" title="{label}: drag, or arrow keys">'
        f"{text}</span>"
    )


def link(name: str, text: str) -> str:
    """Return a link that presses a button of the view."""
    return (
        f'<a class="dirtylab-link" data-name="{name}" role="button" tabindex="0">'
        f"{html.escape(text)}</a>"
    )


def axes_mark(bounds: tuple[float, float, float, float]) -> str:
    """Return an element that tells where the axes are, in shares of the picture."""
    return f'<span hidden data-dirtylab-axes="{" ".join(f"{one:.4f}" for one in bounds)}"></span>'
