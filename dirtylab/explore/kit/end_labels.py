"""Names of lines at their ends, spread so that none covers another."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from matplotlib.axes import Axes
from matplotlib.transforms import ScaledTranslation

APART = 0.16
"""Inches from one label to the next."""


class End(NamedTuple):
    """The end of a line."""

    x: float
    y: float
    label: str
    color: str


class EndLabels:
    """Labels to the right of axes.

    Parameters
    ----------
    axes : Axes
        With room to their right.
    most : int
        Number of labels.
    """

    def __init__(self, axes: Axes, most: int) -> None:
        self._axes = axes
        figure: Any = axes.figure
        beside = axes.transAxes + ScaledTranslation(5 / 72, 0, figure.dpi_scale_trans)
        self.texts = [
            axes.text(1, 0, "", transform=beside, fontsize=9, va="center", fontweight="bold",
                      visible=False)
            for _ in range(most)
        ]  # fmt: skip

    def set(self, ends: Sequence[End]) -> None:
        """Label these ends, as near to them as there is room."""
        ends = sorted(ends[: len(self.texts)], key=lambda end: end.y)
        places = np.array([(end.x, end.y) for end in ends]).reshape(-1, 2)
        shares = self._axes.transAxes.inverted().transform(self._axes.transData.transform(places))
        figure: Any = self._axes.figure
        high = self._axes.get_position().height * figure.get_figheight()
        spread = spread_out(np.clip(shares[:, 1], 0.0, 1.0), APART / high)
        for number, text in enumerate(self.texts):
            text.set_visible(number < len(ends))
            if number < len(ends):
                text.set_text(ends[number].label)
                text.set_color(ends[number].color)
                text.set_y(float(spread[number]))


def spread_out(places: npt.NDArray[np.float64], apart: float) -> npt.NDArray[np.float64]:
    """Return rising places within 0 … 1, each at least `apart` above the one before, if they fit.

    Examples
    --------
    >>> spread_out(np.array([0.5, 0.5, 1.0]), 0.2).round(2).tolist()
    [0.5, 0.7, 1.0]
    """
    moved = places.copy()
    for number in range(1, moved.size):
        moved[number] = max(moved[number], moved[number - 1] + apart)
    top = 1.0
    for number in range(moved.size - 1, -1, -1):
        moved[number] = min(moved[number], top)
        top = moved[number] - apart
    return moved
