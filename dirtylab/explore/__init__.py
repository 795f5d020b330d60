"""Views with sliders for JupyterLab and Voila, each one call in a cell.

>>> from dirtylab import explore
>>> explore.crossovers(dataset="clustered", length=64)  # doctest: +SKIP

``kit``
    The toolkit: controls, canvas, widget, the kernel's loop, export.
``process``
    The measuring process: its messages, both of its ends, a session of one view.
``views``
    A module for each view, and for its figure.

The signatures below state the defaults; Reset goes back to them.  Numbers may be text, as on the
command line: ``pages="64GiB"`` (of guest memory), ``dirty="1%"`` (of the pages).  Views are
functions of a frozen state and are tested without a browser; only ``kit.widget`` and
``kit.control_widgets`` know ipywidgets.  A callback sets the state and requests one drawing on the
kernel's main loop: JupyterLab runs callbacks on another thread than cells, and drawing there would
corrupt figures.
"""

from typing import TYPE_CHECKING, Any, TypeVar

from dirtylab._matplotlib import expect_matplotlib

if TYPE_CHECKING:
    from dirtylab.explore.kit.widget import ViewWidget

__all__ = ["anatomy", "crossovers", "mailing_list", "memory", "patterns", "vcpus"]

_State = TypeVar("_State")

expect_matplotlib()


def crossovers(
    *, pages: int | str = 10_000_000, dirty: int | str = 100_000,
    density: float | str | None = None,
    dataset: str = "random", structures: tuple[str, ...] = ("list", "bitmap", "tree"),
    radix: int = 64, operation: str = "collect", cache: str = "guest-ran",
    x: str = "dirty", rounds: int = 7,
    **dataset_options: Any,
) -> "ViewWidget":  # fmt: skip
    """Show which structure is the cheapest where: by the model at once, measured on request.

    Parameters
    ----------
    pages : int or str, optional
        Size of the slot in 4 KiB pages, 2 … 2^52.
    dirty : int or str, optional
        Dirty frames, 1 or more; where ``x`` is "dirty" the sentence gives the times at this place.
    density : float or str, optional
        Share of the slot that is dirty, above 0 up to 1, instead of `dirty`.
    dataset : str, optional
        Name in ``dirtylab.DATASETS``, or ``"trace: …"`` for a recorded one.
    structures : tuple of str, optional
        Names in ``dirtylab.STRUCTURES``, and ``"tree"`` for one of the radix below; or paths of
        native trackers, such as ``"./mine.c"``, which are measured only and can't collect.
    radix : {8, 16, 32, 64}, optional
        Radix of ``"tree"``.
    operation : {"collect", "insert", "harvest", "epoch"}, optional
        What is timed; an epoch is an insert and a harvest.
    cache : {"guest-ran", "warm"}, optional
        What the caches hold: other memory, as a guest leaves that ran between harvests, or what the
        structure just used.
    x : {"dirty", "pages", "length"}, optional
        The axis; "length" is that of clusters.
    rounds : int, optional
        Samples of each point when measured.
    **dataset_options
        As the generator takes them.

    Returns
    -------
    ViewWidget
        A widget; the last expression of a cell shows it.

    Raises
    ------
    ValueError, TypeError
        A parameter that no control could be set to; the message says what is allowed.
    """
    from dirtylab.explore.kit.widget import ViewWidget
    from dirtylab.explore.views.crossovers import CrossoverState, CrossoverView
    from dirtylab.explore.views.dataset_controls import checked_options
    from dirtylab.explore.views.resources import model, worker
    from dirtylab.native.contestants import entered
    from dirtylab.native.paths import is_path

    options = checked_options(dataset, dataset_options)
    size, frames = _read(pages, dirty)
    names = tuple(entered(one) if is_path(one) else one for one in map(str, structures))
    state = CrossoverState(
        pages=size, dirty=frames, density=_read_share(density), dataset=dataset, options=options,
        structures=names, radix=radix, operation=operation, cache=cache, x=x,
        rounds=rounds,
    )  # fmt: skip
    return ViewWidget(CrossoverView(state, _usual(CrossoverState, crossovers), model, worker))


def memory(
    *,
    pages: int | str = 10_000_000,
    dirty: int | str = 100_000,
    radix: int = 8,
    entry: int = 8,
    show: str = "times the bitmap",
) -> "ViewWidget":
    """Show what structures take in bytes, against pages and against dirty frames.

    Parameters
    ----------
    pages : int or str, optional
        Size of the slot in 4 KiB pages, 9 … 2^52.
    dirty : int or str, optional
        Dirty frames that the list holds.
    radix : int, optional
        Radix of the tree, 2 … 4096.
    entry : int, optional
        Bytes of an entry of the list, 1 … 64; KVM's dirty ring has 16.
    show : {"times the bitmap", "bytes"}, optional
        Unit of the figure against pages.

    Returns
    -------
    ViewWidget
        A widget; the last expression of a cell shows it.

    Raises
    ------
    ValueError, TypeError
        A parameter that no control could be set to; the message says what is allowed.
    """
    from dirtylab.explore.kit.widget import ViewWidget
    from dirtylab.explore.views.memory import MemoryState, MemoryView

    size, frames = _read(pages, dirty)
    state = MemoryState(pages=size, dirty=frames, radix=radix, entry=entry, show=show)
    return ViewWidget(MemoryView(state, _usual(MemoryState, memory)))


def anatomy(
    *,
    pages: int | str = 64,
    radix: int = 8,
    frames: tuple[int, ...] = (10, 1, 11, 10, 45),
    frame: int = 20,
    step: int = 6,
) -> "ViewWidget":
    """Show a small list, bitmap and tree; insert frames and step through their harvest.

    Parameters
    ----------
    pages : {16, 24, 32, 40, 48, 56, 64}, optional
        Size of the slot.
    radix : {2, 4, 8}, optional
        Bits of a node of the tree.
    frames : tuple of int, optional
        Dirty frames in order of arrival, 32 at most; the list keeps repeats.
    frame : int, optional
        Frame that the button Insert inserts next.
    step : int, optional
        Reads of the harvest that have been done.

    Returns
    -------
    ViewWidget
        A widget; the last expression of a cell shows it.

    Raises
    ------
    ValueError, TypeError, IndexError
        A parameter that no control could be set to; the message says what is allowed.
    """
    from dirtylab.explore.kit.widget import ViewWidget
    from dirtylab.explore.views.anatomy import AnatomyState, AnatomyView

    size, _ = _read(pages, 0)
    state = AnatomyState(pages=size, radix=radix, frames=tuple(frames), frame=frame, step=step)
    return ViewWidget(AnatomyView(state, _usual(AnatomyState, anatomy)))


def patterns(
    *,
    dataset: str = "clustered",
    pages: int | str = 2**18,
    dirty: int | str = 10_000,
    seed: int = 0,
    **dataset_options: Any,
) -> "ViewWidget":
    """Show which pages a pattern dirties, in what runs, and what tracking them has to touch.

    Parameters
    ----------
    dataset : str, optional
        Name in ``dirtylab.DATASETS``, or ``"trace: …"`` for a recorded one.
    pages : int or str, optional
        Size of the slot in 4 KiB pages, 2 … 2^52.
    dirty : int or str, optional
        Writes, 1 … 4,000,000.
    seed : int, optional
        Seed of the generator.
    **dataset_options
        As the generator takes them.

    Returns
    -------
    ViewWidget
        A widget; the last expression of a cell shows it.

    Raises
    ------
    ValueError, TypeError
        A parameter that no control could be set to; the message says what is allowed.
    """
    from dirtylab.explore.kit.widget import ViewWidget
    from dirtylab.explore.views.dataset_controls import checked_options
    from dirtylab.explore.views.patterns import PatternState, PatternView

    options = checked_options(dataset, dataset_options)
    size, frames = _read(pages, dirty)
    state = PatternState(dataset=dataset, options=options, pages=size, dirty=frames, seed=seed)
    return ViewWidget(PatternView(state, _usual(PatternState, patterns)))


def mailing_list(*, run: int = 5, repeats: int = 9) -> "ViewWidget":
    """Show the nine runs of 2016 beside this project's, and run any of them again.

    Parameters
    ----------
    run : int, optional
        1 … 9, in the mail's order.
    repeats : int, optional
        Careful samples when it is run again.

    Returns
    -------
    ViewWidget
        A widget; the last expression of a cell shows it.

    Raises
    ------
    ValueError, TypeError
        A parameter that no control could be set to; the message says what is allowed.
    """
    from dirtylab._data import data_file
    from dirtylab.explore.kit.widget import ViewWidget
    from dirtylab.explore.views.mailing_list import MailState, MailView
    from dirtylab.explore.views.resources import worker
    from dirtylab.studies.mailing_list import load

    study = load(data_file("measured/mailing_list"))
    state, usual = MailState(run=run, repeats=repeats), _usual(MailState, mailing_list)
    return ViewWidget(MailView(state, usual, study, worker))


def vcpus(*, vcpus: int = 2) -> "ViewWidget":
    """Show how much faster vCPUs insert together than one alone, by placement of their frames.

    Parameters
    ----------
    vcpus : int, optional
        How many insert at once, one of those recorded.

    Returns
    -------
    ViewWidget
        A widget; the last expression of a cell shows it.

    Raises
    ------
    ValueError, TypeError
        That many were not measured.
    """
    from dirtylab.explore.kit.widget import ViewWidget
    from dirtylab.explore.views.vcpus import VcpuState, VcpuView

    # The parameter hides the function, which has a second name below.
    return ViewWidget(VcpuView(VcpuState(vcpus=vcpus), _usual(VcpuState, _vcpus)))


_vcpus = vcpus


def _usual(state: type[_State], function: Any) -> _State:
    """Return the state of a call without arguments: the defaults of the function's signature."""
    return state(**function.__kwdefaults__)


def _read(pages: int | str, dirty: int | str) -> tuple[int, int]:
    """Return pages and dirty frames, read where they are text."""
    from dirtylab._units import parse_frames, parse_pages

    size = parse_pages("pages", pages) if isinstance(pages, str) else pages
    return size, parse_frames("dirty", dirty, size) if isinstance(dirty, str) else dirty


def _read_share(density: float | str | None) -> float | None:
    from dirtylab._units import parse_share

    return parse_share("density", density) if isinstance(density, str) else density
