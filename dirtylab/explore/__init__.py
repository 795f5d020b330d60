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
    from dirtylab.explore.frame import Frame

__all__ = ["anatomy", "crossovers", "mailing_list", "memory", "patterns"]


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
    from dirtylab.explore.crossover import CrossoverState, CrossoverView
    from dirtylab.explore.datasets import checked_options
    from dirtylab.explore.frame import Frame
    from dirtylab.explore.machine import model, worker

    options = checked_options(dataset, dataset_options)
    state = CrossoverState(
        pages, dirty, density, dataset, options, tuple(structures), radix, operation, x, rounds
    )
    return Frame(CrossoverView(state, CrossoverState(), model(), worker))
