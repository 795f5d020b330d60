"""The base of views with a Matplotlib figure: artists made once, moved while a slider moves."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from matplotlib.artist import Artist
from matplotlib.figure import Figure

from dirtylab.explore.kit.canvas import Canvas
from dirtylab.explore.kit.sheet import Rectangle, stretched, with_small_print
from dirtylab.explore.kit.view import Page, Shown, View, headline
from dirtylab.figures.style import Picture, new_figure

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

S = TypeVar("S", bound="DataclassInstance")
C = TypeVar("C")
"""What a view computes from its state and draws."""
C_contra = TypeVar("C_contra", contravariant=True)


class Artists(Protocol[C_contra]):
    """The artists on a figure's axes."""

    @property
    def moving(self) -> Sequence[Artist]:
        """Those that follow the state."""

    def set(self, content: C_contra) -> Hashable:
        """Move all artists; return what the resting parts depend on."""


LEAST, MOST = 4.4, 16.0
"""Width of a figure in inches; a narrower page shows it smaller, a wider one leaves room."""
DOTS = 100
"""Pixels of the page an inch."""
MOST_PIXELS = 4_500_000
"""More take longer to draw than a slider can wait: 0.1 s at twice the pixels of the page."""


class FigureView(View[S], Generic[S, C]):
    """A view that is one figure; a subclass computes the content and words it.

    Parameters
    ----------
    state, usual : S
        As for :class:`.view.View`.
    """

    size: ClassVar[tuple[float, float]]
    """Width and height in inches, where the page does not tell its own."""
    rectangles: ClassVar[tuple[Rectangle, ...]]
    """Of the axes."""
    artists: ClassVar[Callable[..., Artists[Any]]]
    """Makes new artists on the axes of a figure."""
    small_print: ClassVar[str] = ""
    """Assumptions and machine, where they are always the same."""

    def __init__(self, state: S, usual: S) -> None:
        super().__init__(state, usual)
        figure = new_figure(*self.size)
        figure.set_layout_engine("none")
        self._artists = self._new_artists(figure, self.rectangles)
        self._canvas = Canvas(figure, self._artists.moving)
        self._inches = self.size

    def content(self) -> C:
        """Return what there is to draw, computed from the state as it is now.

        Raises
        ------
        ValueError, IndexError, MemoryError
            There is nothing; the message says what is allowed.
        """
        raise NotImplementedError

    def sentence(self, content: C) -> str:
        """Return the finding."""
        raise NotImplementedError

    def alt(self, content: C, sentence: str) -> str:
        """Return the picture in words."""
        raise NotImplementedError

    def note(self, content: C) -> str:
        """Return assumptions and machine, the small print."""
        return self.small_print

    def extra(self, content: C) -> str:
        """Return more to show below the sentence, as HTML."""
        return ""

    def lead(self, content: C) -> str:
        """Return the finding as HTML, where it is more than text."""
        return ""

    def banner(self, content: C) -> str:
        """Return a warning above the finding, as HTML."""
        return ""

    def draw(self) -> Shown:
        """Draw the state; errors are those of :meth:`content`."""
        content = self.content()
        png = self._canvas.png(self._artists.set(content))
        sentence = self.sentence(content)
        return Shown(
            png, self._page_pixels(), self.alt(content, sentence), sentence,
            self.note(content), self.extra(content), self.lead(content), self.banner(content),
        )  # fmt: skip

    def fit(self, page: Page) -> bool:
        """Take the size and the sharpness of the page; return whether anything changed."""
        width = min(max(page.width / DOTS, LEAST), MOST)
        least, usual = 0.62 * self.size[1], width * self.size[1] / self.size[0]
        height = max(min(usual, page.height / DOTS, 8.0), least)
        scale = min(page.scale, (MOST_PIXELS / (width * height * DOTS**2)) ** 0.5)
        inches, dots = (round(width, 2), round(height, 2)), max(scale, 1.0) * DOTS
        figure = self._canvas.figure
        if inches == self._inches and abs(dots - figure.dpi) < 1:
            return False
        self._inches = inches
        for ax, place in zip(
            figure.axes, stretched(self.rectangles, self.size, inches), strict=True
        ):
            ax.set_position(place)
        self._canvas.resize(inches, dots)
        return True

    def _page_pixels(self) -> tuple[int, int]:
        return round(self._inches[0] * DOTS), round(self._inches[1] * DOTS)

    def close(self) -> None:
        """Release the pixels that are cached."""
        super().close()
        self._canvas.forget()

    def picture(self) -> Picture:
        """Return the present state as a figure of its own: finding above, small print below."""
        content = self.content()
        sentence = self.sentence(content)
        figure, rectangles = with_small_print(
            self.size, self.rectangles, self.note(content), headline(sentence)[0]
        )
        self._new_artists(figure, rectangles).set(content)
        return Picture(figure, self.alt(content, sentence))

    def _new_artists(self, figure: Figure, rectangles: Iterable[Rectangle]) -> Artists[C]:
        return type(self).artists(*(figure.add_axes(one) for one in rectangles))
