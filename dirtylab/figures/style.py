"""One look for all figures: colours, markers, axes, small print, alt text, files."""

import base64
import colorsys
import html
import io
import itertools
import pathlib
import textwrap
import zlib
from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from matplotlib.axes import Axes
from matplotlib.axis import Axis
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter

from dirtylab._format import count_text, ns_text
from dirtylab.figures._rc import OwnFigure, own_rc
from dirtylab.measure.files import write_whole
from dirtylab.measure.machine import caption
from dirtylab.structures import STRUCTURES, is_posted

INK, FAINT = "#222222", "#595959"
FORMATS = ("png", "svg", "pdf")
_FONT, _SMALL_PRINT = 10, 7


class Look(NamedTuple):
    """A structure's colour, marker, line and label in every figure."""

    label: str
    color: str
    marker: str
    dashes: Any = "-"

    @property
    def face(self) -> str:
        """Colour inside a marker: hollow where the line is dashed."""
        return self.color if self.dashes == "-" else "white"


# One hue a structure: orange, blue, greens of trees, wine, violet.  Contrasts with white 3.1, 4.7,
# 7.1, 10.8 and 16.7 (the ring 3.8): each at least 1.5 times the one before, so that they differ in
# grey and for colour-blind readers too.
_LIST, _BITMAP, _TREE = "#F9640F", "#140B63", "#13854C"
_POSTED: Any = (0, (6, 2))
LOOKS: dict[str, Look] = {
    "list": Look("list", _LIST, "D"),
    "bitmap": Look("bitmap", _BITMAP, "P"),
    "tree8": Look("tree, radix 8", _TREE, "v"),
    "tree64": Look("tree, radix 64", "#056635", "X"),
    "ring": Look("dirty ring", "#9075BD", "h"),
    "hybrid": Look("hybrid", "#780A4A", "*"),
    "posted-list": Look("list", _LIST, "o", _POSTED),
    "posted-tree": Look("tree", _TREE, "^", _POSTED),
    "posted-bitmap": Look("bitmap", _BITMAP, "s", _POSTED),
}
"""Looks that were chosen; that of any other structure is derived, see :func:`look_of`."""
SLIDER_COLOR = "#117543"
"""Of the tree whose radix has a slider."""
_RADIX_LOOKS = {
    "tree16": Look("tree, radix 16", "#0E7D54", "^"),
    "tree32": Look("tree, radix 32", "#0C6E4A", ">"),
}
_MARKERS = "<pd8H"
_GOLDEN = (5**0.5 - 1) / 2
_APART = 0.2
"""Least distance of a derived colour from those chosen, as part of the cube's edge."""


def look_of(structure: str) -> Look:
    """Return a structure's look: a colour and marker that no other structure has."""
    chosen = LOOKS.get(structure) or _RADIX_LOOKS.get(structure)
    if chosen:
        posted = ", posted" if is_posted(structure) else ""
        return chosen._replace(label=f"{chosen.label}{posted}")
    derived = [name for name in STRUCTURES if name not in LOOKS]
    if structure in derived:
        number = derived.index(structure)
    else:  # of a table that was measured elsewhere
        number = len(derived) + zlib.crc32(structure.encode()) % 64
    marker = _MARKERS[number] if number < len(_MARKERS) else f"${number}$"
    return Look(structure, _spare_color(number), marker)


def _spare_color(number: int) -> str:
    """Return one of a sequence of colours with a contrast of 3:1, none near a chosen one."""
    chosen = [look.color for look in (*LOOKS.values(), *_RADIX_LOOKS.values())]
    taken = np.array([to_rgb(color) for color in (*chosen, SLIDER_COLOR)])
    hues = ((place, _GOLDEN * place % 1) for place in itertools.count())
    colors = (colorsys.hls_to_rgb(hue, (0.33, 0.22)[place % 2], 0.7) for place, hue in hues)
    spare = (one for one in colors if np.linalg.norm(taken - one, axis=1).min() > _APART)
    return to_hex(next(itertools.islice(spare, number, None)))


_DARK = (
    '<style>body[data-jp-theme-light="false"] figure>img{filter:invert(.93) hue-rotate(180deg)}'
    "</style>"
)
"""On a dark page figures are dark too: as light as they were dark, in the same hues."""


class Picture(NamedTuple):
    """A figure with its alternative text."""

    figure: Figure
    alt: str

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        # JupyterLab shows the first, with its alt text; the second is for viewers without HTML.
        data = base64.b64encode(png_bytes(self.figure)).decode()
        text = html.escape(self.alt, quote=True)
        image = f'<img alt="{text}" style="max-width:100%" src="data:image/png;base64,{data}">'
        page = f"<figure>{image}</figure>{_DARK}"
        return {"text/html": page, "image/png": data, "text/plain": text}


def finished(figure: Figure, alt: str) -> Picture:
    """Return a picture with a fixed layout, which each later drawing would move a little."""
    with own_rc():
        figure.draw_without_rendering()
        figure.set_layout_engine("none")
    return Picture(figure, alt)


def new_figure(width: float = 8.0, height: float = 5.0) -> Figure:
    """Return an empty figure in inches, 100 dots each, laid out so that nothing overlaps.

    It and its axes follow the package's own settings, not the user's ``matplotlibrc``.
    """
    with own_rc():
        figure = OwnFigure(
            figsize=(width, height), dpi=100, layout="constrained", facecolor="white"
        )
    FigureCanvasAgg(figure)
    return figure


def style_axes(ax: Axes, *, title: str, xlabel: str, ylabel: str) -> None:
    """Give `ax` its labels, a light grid and no box."""
    ax.set_title(title, loc="left", fontsize=_FONT + 1, color=INK, fontweight="bold")
    ax.set_xlabel(xlabel, fontsize=_FONT, color=INK)
    ax.set_ylabel(ylabel, fontsize=_FONT, color=INK)
    ax.tick_params(labelsize=_FONT - 1, colors=INK)
    ax.grid(visible=True, which="major", color="#DDDDDD", linewidth=0.8)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)


def log_log(ax: Axes) -> None:
    """Make both axes logarithmic, with whole numbers in words of a person."""
    ax.set_xscale("log")
    ax.set_yscale("log")
    label_ticks(ax.xaxis, count_text)


def label_ticks(axis: Axis, text: Callable[[float], str]) -> None:
    """Label ticks by a function of their value."""
    axis.set_major_formatter(FuncFormatter(lambda value, _: text(value)))


def time_label(ns: float) -> str:
    """Return nanoseconds for a tick, such as 10 µs."""
    return ns_text(ns, trim=True)


def small_print(figure: Figure, machine: dict[str, Any] | None, note: str = "") -> None:
    """Write the machine, if it is one, and a note on the method below the figure."""
    width, height = figure.get_size_inches()
    lines = [
        line
        for text in (note, "" if machine is None else caption(machine))
        if text
        for line in textwrap.wrap(text, int(width * 19))
    ]
    share = (0.14 * len(lines) + 0.05) / height
    figure.set_layout_engine("constrained", rect=(0, share, 1, 1 - share))
    figure.text(0.01, 0.01, "\n".join(lines), fontsize=_SMALL_PRINT, color=FAINT, va="bottom")


def png_bytes(figure: Figure, dpi: int = 100) -> bytes:
    """Return the figure as PNG."""
    buffer = io.BytesIO()
    with own_rc():
        figure.savefig(buffer, format="png", dpi=dpi, metadata={"Software": None})
    return buffer.getvalue()


def save_picture(picture: Picture, folder: pathlib.Path, name: str) -> list[str]:
    """Write a picture as PNG, SVG and PDF; the same picture gives the same bytes."""
    undated = {"png": {"Software": None}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
    for kind in FORMATS:

        def write(path: pathlib.Path, kind: str = kind) -> None:
            picture.figure.savefig(path, format=kind, dpi=200, metadata=undated[kind])

        with own_rc():
            write_whole(folder / f"{name}.{kind}", write)
    return [f"{name}.{kind}" for kind in FORMATS]
