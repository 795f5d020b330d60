"""A figure redrawn while a slider moves: its moving artists, blitted over a cached background.

Measured, a log-log figure of 7 × 4.5 inches: drawn whole 71 ms, only its lines over the cached
background 14 ms.  The background is drawn again only where limits or labels of the axes change;
some are cached, so that a slider that goes back and forth finds them.  A text takes 1 … 3 ms, more
than ten lines; so the pixels of texts are cached too, and copied while words and place are the
same.  A text must therefore stand on one colour: outside the axes, or on a box of its own.
"""

import base64
import collections
import html
import struct
import textwrap
import zlib
from collections.abc import Hashable, Iterable, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from matplotlib.artist import Artist
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.text import Text

from dirtylab.figures._rc import under_own_rc
from dirtylab.figures.style import FAINT, new_figure

MOST_BACKGROUNDS = 24
"""Backgrounds that are cached, some 1.2 MB each."""
MOST_TEXTS = 1000
"""Texts that are cached, some 10 kB each."""


class Canvas:
    """Draws a figure's moving artists over its background.

    Parameters
    ----------
    figure : matplotlib.figure.Figure
        With an Agg canvas, its layout settled.
    moving : iterable of Artist
        What :meth:`png` draws anew each time.
    """

    def __init__(self, figure: Figure, moving: Iterable[Artist]) -> None:
        self.figure = figure
        self._canvas = figure.canvas
        if not isinstance(self._canvas, FigureCanvasAgg):
            raise TypeError(f"figure: has the canvas {self._canvas!r}; must be of Agg")
        self._moving = list(moving)
        for artist in self._moving:
            artist.set_animated(True)
        self._texts: dict[Hashable, Any] = {}
        self._backgrounds: collections.OrderedDict[Hashable, Any] = collections.OrderedDict()

    @under_own_rc
    def png(self, background: Hashable = None) -> bytes:
        """Return the present picture.

        Parameters
        ----------
        background : hashable, optional
            What the resting parts depend on; they are drawn again when it is new.
        """
        canvas: Any = self._canvas
        if background in self._backgrounds:
            self._backgrounds.move_to_end(background)
            canvas.restore_region(self._backgrounds[background])
        else:
            canvas.draw()
            self._backgrounds[background] = canvas.copy_from_bbox(self.figure.bbox)
            if len(self._backgrounds) > MOST_BACKGROUNDS:
                self._backgrounds.popitem(last=False)
        for artist in sorted(self._moving, key=lambda one: one.get_zorder()):
            if not artist.get_visible():
                continue
            if isinstance(artist, Text):
                self._draw_text(artist)
            else:
                artist.draw(canvas.get_renderer())
        return png_of(np.asarray(canvas.buffer_rgba()))

    def _draw_text(self, text: Text) -> None:
        """Draw a text, or copy its cached pixels."""
        canvas: Any = self._canvas
        x, y = text.get_transform().transform(text.get_position())
        key = (id(text), text.get_text(), round(x, 1), round(y, 1))
        if key in self._texts:
            canvas.restore_region(self._texts[key])
            return
        renderer = canvas.get_renderer()
        text.draw(renderer)
        box = text.get_bbox_patch()
        place = (box or text).get_window_extent(renderer).padded(0 if box else 1)
        self._texts[key] = canvas.copy_from_bbox(place)
        if len(self._texts) > MOST_TEXTS:
            del self._texts[next(iter(self._texts))]


def png_of(pixels: npt.NDArray[np.uint8]) -> bytes:
    """Return pixels, shape ``(height, width, 4)``, as PNG: rows as they are, compressed little.

    Measured, 900 × 440 pixels: 2.3 ms; Pillow at its lowest level of compression 6 … 17 ms.
    """
    height, width, _ = pixels.shape
    rows = np.zeros((height, 1 + 4 * width), np.uint8)  # each begins with the filter: none
    rows[:, 1:] = pixels.reshape(height, 4 * width)
    head = struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows.data, 1)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(_chunk(kind, data) for kind, data in parts)


def _chunk(kind: bytes, data: bytes) -> bytes:
    """Return a part of a PNG file: length, kind, data, checksum."""
    checksum = struct.pack(">I", zlib.crc32(kind + data))
    return struct.pack(">I", len(data)) + kind + data + checksum


def picture_html(png: bytes, alt: str, size: tuple[int, int]) -> str:
    """Return a picture of fixed size with its text alternative."""
    width, height = size
    data = base64.b64encode(png).decode()
    text = html.escape(alt, quote=True)
    return (
        f'<figure style="margin:0;height:{height}px"><img alt="{text}" width="{width}" '
        f'height="{height}" style="display:block;max-width:none" '
        f'src="data:image/png;base64,{data}"></figure>'
    )


def pixels_of(figure: Figure) -> tuple[int, int]:
    """Return width and height of a figure in pixels."""
    width, height = figure.get_size_inches() * figure.dpi
    return round(width), round(height)


Rectangle = tuple[float, float, float, float]
"""Left, bottom, width and height of axes, as shares of the figure."""


def with_small_print(
    size: tuple[float, float], rectangles: Sequence[Rectangle], note: str
) -> tuple[Figure, list[Rectangle]]:
    """Return a figure with a note below, and rectangles at their places in that larger figure.

    Parameters
    ----------
    size : tuple of float
        Width and height in inches without the note.
    rectangles : sequence of tuple of float
        Of the axes, without the note.
    note : str
        Assumptions and machine.
    """
    lines = textwrap.wrap(note, int(size[0] * 18))
    below = 0.14 * len(lines) + 0.1
    figure = new_figure(size[0], size[1] + below)
    figure.set_layout_engine("none")
    figure.text(0.01, 0.01, "\n".join(lines), fontsize=7, color=FAINT, va="bottom")
    return figure, [_raised(one, size[1], below) for one in rectangles]


def _raised(rectangle: Rectangle, height: float, below: float) -> Rectangle:
    """Return a rectangle after so many inches were added below a figure of that height."""
    left, bottom, width, high = rectangle
    total = height + below
    return left, (bottom * height + below) / total, width, high * height / total
