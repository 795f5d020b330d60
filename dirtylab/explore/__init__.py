"""Views with sliders for JupyterLab and Voila, each one call in a cell.

>>> from dirtylab import explore
>>> explore.crossovers(dataset="clustered", length=64)  # doctest: +SKIP

Logic is plain Python (states, lines, sentences) and is tested without a browser; only
:mod:`.frame` knows ipywidgets.  A callback records what was asked for and schedules one drawing on
the kernel's main loop: JupyterLab runs callbacks on another thread than cells, and drawing there
would corrupt figures.
"""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from dirtylab.explore.kit.widget import Frame

__all__ = ["anatomy", "crossovers", "mailing_list", "memory", "patterns", "vcpus"]


def crossovers(
    *,
    pages: int = 10_000_000,
    dirty: int = 100_000,
    density: float | None = None,
    dataset: str = "random",
    structures: tuple[str, ...] = ("list", "bitmap", "tree"),
    radix: int = 64,
    operation: str = "collect",
    x: str = "dirty",
    rounds: int = 7,
    **dataset_options: Any,
) -> "Frame":
    """Show which structure is the cheapest where: model lines at once, measured on request.

    Parameters
    ----------
    pages : int, optional
        Size of the slot in 4 KiB pages, 2 … 2^52.
    dirty : int, optional
        Dirty frames, 1 or more; where ``x`` is "dirty" the place that the sentence speaks of.
    density : float, optional
        The share of the slot that is dirty, above 0 up to 1, instead of `dirty`.
    dataset : str, optional
        Name in ``dirtylab.DATASETS``, or ``"trace: …"`` for a recorded one.
    structures : tuple of str, optional
        Names in ``dirtylab.STRUCTURES``, and ``"tree"`` for one of the radix below.
    radix : {8, 16, 32, 64}, optional
        Radix of ``"tree"``.
    operation : {"collect", "insert", "harvest", "epoch"}, optional
        What is timed; an epoch is an insert and a harvest.
    x : {"dirty", "pages", "length"}, optional
        The axis; "length" is that of clusters.
    rounds : int, optional
        Samples of each point when measured.
    **dataset_options
        As the generator takes them.

    Returns
    -------
    Frame
        A widget; the last expression of a cell shows it.

    Raises
    ------
    ValueError, TypeError
        A parameter that no control could be set to; what is allowed is said.
    """
    from dirtylab.explore.kit.widget import Frame
    from dirtylab.explore.views.crossovers import CrossoverState, CrossoverView
    from dirtylab.explore.views.dataset_controls import checked_options
    from dirtylab.explore.views.resources import model, worker

    options = checked_options(dataset, dataset_options)
    state = CrossoverState(
        pages, dirty, density, dataset, options, tuple(structures), radix, operation, x, rounds
    )
    return Frame(CrossoverView(state, CrossoverState(), model(), worker))


def memory(
    *,
    pages: int = 10_000_000,
    dirty: int = 100_000,
    radix: int = 8,
    entry: int = 8,
    show: str = "times the bitmap",
) -> "Frame":
    """Show what structures take in bytes, against pages and against dirty frames.

    Parameters
    ----------
    pages : int, optional
        Size of the slot in 4 KiB pages, 9 … 2^52.
    dirty : int, optional
        Dirty frames that the list holds.
    radix : int, optional
        Radix of the tree, 2 … 4096.
    entry : int, optional
        Bytes of an entry of the list, 1 … 64; KVM's dirty ring has 16.
    show : {"times the bitmap", "bytes"}, optional
        Unit of the figure against pages.

    Returns
    -------
    Frame
        A widget; the last expression of a cell shows it.

    Raises
    ------
    ValueError, TypeError
        A parameter that no control could be set to; what is allowed is said.
    """
    from dirtylab.explore.kit.widget import Frame
    from dirtylab.explore.views.memory import MemoryState, MemoryView

    return Frame(MemoryView(MemoryState(pages, dirty, radix, entry, show), MemoryState()))


def anatomy(
    *,
    pages: int = 64,
    radix: int = 8,
    frames: tuple[int, ...] = (10, 1, 11, 10, 45),
    frame: int = 20,
    step: int = 6,
) -> "Frame":
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
        Where the button Insert would put one.
    step : int, optional
        Reads of the harvest that have been done.

    Returns
    -------
    Frame
        A widget; the last expression of a cell shows it.

    Raises
    ------
    ValueError, TypeError, IndexError
        A parameter that no control could be set to; what is allowed is said.
    """
    from dirtylab.explore.kit.widget import Frame
    from dirtylab.explore.views.anatomy import AnatomyState, AnatomyView

    state = AnatomyState(pages, radix, tuple(frames), frame, step)
    return Frame(AnatomyView(state, AnatomyState()))


def patterns(
    *,
    dataset: str = "clustered",
    pages: int = 2**18,
    dirty: int = 10_000,
    seed: int = 0,
    **dataset_options: Any,
) -> "Frame":
    """Show which pages a pattern dirties, in what runs, and what tracking them has to touch.

    Parameters
    ----------
    dataset : str, optional
        Name in ``dirtylab.DATASETS``, or ``"trace: …"`` for a recorded one.
    pages : int, optional
        Size of the slot in 4 KiB pages, 2 … 2^52.
    dirty : int, optional
        Writes, 1 … 4,000,000.
    seed : int, optional
        Another seed draws other frames.
    **dataset_options
        As the generator takes them.

    Returns
    -------
    Frame
        A widget; the last expression of a cell shows it.

    Raises
    ------
    ValueError, TypeError
        A parameter that no control could be set to; what is allowed is said.
    """
    from dirtylab.explore.kit.widget import Frame
    from dirtylab.explore.views.dataset_controls import checked_options
    from dirtylab.explore.views.patterns import PatternState, PatternView

    options = checked_options(dataset, dataset_options)
    return Frame(PatternView(PatternState(dataset, options, pages, dirty, seed), PatternState()))


def mailing_list(*, run: int = 5, repeats: int = 9) -> "Frame":
    """Show the nine runs of 2016 beside this project's, and run any of them again.

    Parameters
    ----------
    run : int, optional
        1 … 9, in the mail's order.
    repeats : int, optional
        Careful samples when it is run again.

    Returns
    -------
    Frame
        A widget; the last expression of a cell shows it.

    Raises
    ------
    ValueError, TypeError
        A parameter that no control could be set to; what is allowed is said.
    """
    from dirtylab._data import data_file
    from dirtylab.explore.kit.widget import Frame
    from dirtylab.explore.process.mail_worker import Rerunner
    from dirtylab.explore.views.mailing_list import MailState, MailView
    from dirtylab.mailing_list import load

    study = load(data_file("measured/mailing_list"))
    return Frame(MailView(MailState(run, repeats), MailState(), study, Rerunner))


def vcpus(*, vcpus: int = 2) -> "Frame":
    """Show how much faster vCPUs insert together than one alone, by where their frames lie.

    Parameters
    ----------
    vcpus : int, optional
        How many insert at once, one of those recorded.

    Returns
    -------
    Frame
        A widget; the last expression of a cell shows it.

    Raises
    ------
    ValueError, TypeError
        That many were not measured.
    """
    from dirtylab.explore.kit.widget import Frame
    from dirtylab.explore.views.vcpus import VcpuState, VcpuView

    return Frame(VcpuView(VcpuState(vcpus), VcpuState()))
