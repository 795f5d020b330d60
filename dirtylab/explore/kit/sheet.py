"""Where axes stand on a figure of any size, and a figure with its finding and small print."""

import itertools
import textwrap
from collections.abc import Callable, Iterable, Sequence
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.transforms import ScaledTranslation

from dirtylab.figures.style import FAINT, INK, new_figure

Rectangle = tuple[float, float, float, float]
"""Left, bottom, width and height of axes, as shares of the figure."""
Span = tuple[float, float]


def with_small_print(
    size: tuple[float, float], rectangles: Sequence[Rectangle], note: str, finding: str = ""
) -> tuple[Figure, list[Rectangle]]:
    """Return a figure with a finding above and a note below, and where its rectangles are then.

    Parameters
    ----------
    size : tuple of float
        Width and height in inches without the two.
    rectangles : sequence of tuple of float
        Of the axes, without the two.
    note : str
        Assumptions and machine.
    finding : str, optional
        The title.
    """
    lines = textwrap.wrap(note, int(size[0] * 18))
    heading = textwrap.wrap(finding, int(size[0] * 10.5))
    below = 0.14 * len(lines) + 0.1
    above = 0.21 * len(heading) + (0.12 if heading else 0)
    total = size[1] + below + above
    figure = new_figure(size[0], total)
    figure.set_layout_engine("none")
    figure.text(0.01, 0.01, "\n".join(lines), fontsize=7, color=FAINT, va="bottom")
    if heading:
        figure.text(0.01, 1 - 0.06 / total, "\n".join(heading), fontsize=11, color=INK,
                    fontweight="bold", va="top")  # fmt: skip
    moved = [
        (left, (bottom * size[1] + below) / total, width, high * size[1] / total)
        for left, bottom, width, high in rectangles
    ]
    return figure, moved


def stretched(
    rectangles: Sequence[Rectangle], size: tuple[float, float], new: tuple[float, float]
) -> list[Rectangle]:
    """Return the rectangles on a figure of another size: what lies between them keeps its inches.

    Labels and ticks stand there, whose size does not change.

    Parameters
    ----------
    rectangles : sequence of tuple of float
        Of the axes, on a figure of `size`.
    size, new : tuple of float
        Width and height in inches.
    """
    flat = [((left, left + width), (bottom, bottom + height))
            for left, bottom, width, height in rectangles]  # fmt: skip
    across = _mover([one for one, _ in flat], [one for _, one in flat], size[0], new[0])
    upward = _mover([one for _, one in flat], [one for one, _ in flat], size[1], new[1])
    return [
        (across(left), upward(bottom), across(right) - across(left), upward(top) - upward(bottom))
        for (left, right), (bottom, top) in flat
    ]


def _mover(
    spans: Sequence[Span], others: Sequence[Span], old: float, new: float
) -> Callable[[float], float]:
    """Return where a place along one side of the figure goes.

    What every row (or column) of axes covers is stretched; the rest keeps its length.
    """
    rows = _overlapping(spans, others)
    places = sorted({0.0, 1.0, *(end for span in spans for end in span)})
    pieces = list(itertools.pairwise(places))
    wide = [all(_covers(row, piece) for row in rows) for piece in pieces]
    lengths = [high - low for low, high in pieces]
    fixed = sum(length for length, one in zip(lengths, wide, strict=True) if not one) * old
    moving = sum(length for length, one in zip(lengths, wide, strict=True) if one) * old
    factor = max(new - fixed, 0.2 * new) / moving if moving else 1.0
    made = [length * old * (factor if one else 1.0)
            for length, one in zip(lengths, wide, strict=True)]  # fmt: skip
    scale = 1 / sum(made)
    ends = [0.0]
    for length in made:
        ends.append(ends[-1] + length * scale)
    moved = dict(zip(places, ends, strict=True))
    return lambda place: moved[place]


def _overlapping(spans: Sequence[Span], others: Sequence[Span]) -> list[list[Span]]:
    """Return the spans of axes that stand side by side, row by row."""
    rows: list[tuple[Span, list[Span]]] = []
    for span, other in sorted(zip(spans, others, strict=True), key=lambda pair: pair[1]):
        if rows and other[0] < rows[-1][0][1]:
            (low, high), some = rows[-1]
            rows[-1] = ((low, max(high, other[1])), [*some, span])
        else:
            rows.append((other, [span]))
    return [some for _, some in rows]


def _covers(spans: Iterable[Span], piece: Span) -> bool:
    return any(low <= piece[0] and piece[1] <= high for low, high in spans)


def offset_below(ax: Axes, shares: float) -> Any:
    """Return coordinates of axes, moved down by that share of their present height.

    They stay as far below in inches, whatever size the axes get.
    """
    figure: Any = ax.figure
    inches = shares * ax.get_position().height * figure.get_figheight()
    return ax.transAxes + ScaledTranslation(0, -inches, figure.dpi_scale_trans)
