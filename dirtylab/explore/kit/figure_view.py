"""The base of views with a Matplotlib figure: artists made once, moved while a slider moves."""

from collections.abc import Callable, Hashable, Iterable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Generic, Protocol, TypeVar

from matplotlib.artist import Artist
from matplotlib.figure import Figure

from dirtylab.explore.kit.canvas import Canvas, Rectangle, pixels_of, with_small_print
from dirtylab.explore.kit.view import Shown, View
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


class FigureView(View[S], Generic[S, C]):
    """A view that is one figure; a subclass computes the content and words it.

    Parameters
    ----------
    state, usual : S
        As for :class:`.view.View`.
    """

    size: ClassVar[tuple[float, float]]
    """Width and height in inches."""
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

    def head(self, content: C) -> str:
        """Return what stands above the picture, as HTML."""
        return ""

    def draw(self) -> Shown:
        """Draw the state; errors are those of :meth:`content`."""
        content = self.content()
        png = self._canvas.png(self._artists.set(content))
        sentence = self.sentence(content)
        return Shown(
            png, pixels_of(self._canvas.figure), self.alt(content, sentence), sentence,
            self.note(content), self.extra(content), self.head(content),
        )  # fmt: skip

    def picture(self) -> Picture:
        """Return the present state as a figure of its own, with the small print below."""
        content = self.content()
        figure, rectangles = with_small_print(self.size, self.rectangles, self.note(content))
        self._new_artists(figure, rectangles).set(content)
        return Picture(figure, self.alt(content, self.sentence(content)))

    def _new_artists(self, figure: Figure, rectangles: Iterable[Rectangle]) -> Artists[C]:
        return type(self).artists(*(figure.add_axes(one) for one in rectangles))
