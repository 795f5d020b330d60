"""Small things that the figures of several views share: ticks, texts on axes, tables in HTML."""

from collections.abc import Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.ticker import NullLocator

from dirtylab.explore.kit.sheet import offset_below
from dirtylab.figures.style import INK


def no_minor_ticks(ax: Axes) -> None:
    """Leave out minor ticks, which cost time on each drawing."""
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_minor_locator(NullLocator())


def title_text(ax: Axes, y: float, **options: Any) -> Any:
    """Return an empty title that moves with the state: one of the axes' own would not."""
    return ax.text(0, 1, "", transform=offset_below(ax, 1 - y), fontsize=10, color=INK,
                   fontweight="bold", **options)  # fmt: skip


def label_text(ax: Axes, x: float, y: float, **options: Any) -> Any:
    """Return an empty label at a place in shares of the axes as they are, its top there."""
    return ax.text(x, 0, "", transform=offset_below(ax, -y), fontsize=10, color=INK, va="top",
                   **options)  # fmt: skip


def table_html(rows: Sequence[Sequence[str]], head: Sequence[str] = ()) -> str:
    """Return a small table; columns after the first are aligned to the right."""
    top = "".join(f"<th>{text}</th>" for text in head)
    body = "".join(
        f"<tr><td>{first}</td>"
        + "".join(f"<td style='text-align:right'>{text}</td>" for text in others)
        + "</tr>"
        for first, *others in rows
    )
    header = f"<tr>{top}</tr>" if head else ""
    return f"<table style='font-size:13px;line-height:1.35'>{header}{body}</table>"
