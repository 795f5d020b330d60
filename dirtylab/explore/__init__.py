"""Views with sliders for JupyterLab and Voila, each one call in a cell.

>>> from dirtylab import explore
>>> explore.decide(pages="64GiB", dirty="1%", length=16)  # doctest: +SKIP

``kit`` is the toolkit (controls, canvas, widget, export), ``process`` the measuring process,
``views`` has a module for each view and for its figure.

Reset goes back to how a view began.  Numbers may be text, as on the command line:
``pages="64GiB"`` (of guest memory), ``dirty="1%"`` (of the pages).  Views are functions of a frozen
state and are tested without a browser; only ``kit.widget`` and ``kit.control_widgets`` know
ipywidgets.  A callback sets the state and requests one drawing on the kernel's main loop:
JupyterLab runs callbacks on another thread than cells, and drawing there would corrupt figures.
"""

from typing import TYPE_CHECKING, Any

from dirtylab._matplotlib import expect_matplotlib
from dirtylab._parameters import entered_names, read_share, read_sizes, usual_of

if TYPE_CHECKING:
    from dirtylab.explore.kit.widget import ViewWidget

__all__ = [
    "anatomy", "crossovers", "decide", "mailing_list", "memory", "migration", "patterns", "vcpus",
]  # fmt: skip

expect_matplotlib()


def decide(
    *,
    pages: int | str = 2**22,
    dirty: float | str = 0.005,
    length: int = 8,
    program: str = "",
    period: float | str = 0.1,
    memory_limit: int | str = 0,
    cache: str = "guest-ran",
    over: str = "run length",
    trackers: tuple[str, ...] = (),
) -> "ViewWidget":
    """Show what to use for a guest, how sure that is, and where it changes.

    Parameters
    ----------
    pages : int or str, optional
        Size of the guest in 4 KiB pages, or its memory, such as ``"64GiB"``.
    dirty : float or str, optional
        Share of the pages that is dirty in a period, such as ``"1%"``.
    length : int, optional
        Pages in a run of neighbouring dirty pages, 1 … 4096.
    program : str, optional
        One of the recordings that come with the package; its share and runs are taken instead.
    period : float or str, optional
        Time between harvests, in seconds or as ``"100ms"``.
    memory_limit : int or str, optional
        Most bytes that the structure may take, or ``"2MiB"``; 0 for no limit.
    cache : {"guest-ran", "warm"}, optional
        What the caches hold, as for :func:`crossovers`.
    over : {"run length", "guest memory"}, optional
        What the map shows beside the dirty share.
    trackers : tuple of str, optional
        Native trackers by path, or peers as ``"peer:croaring"``: they are measured only.

    Returns
    -------
    ViewWidget
        A widget; the last expression of a cell shows it.

    Raises
    ------
    ValueError, TypeError
        A parameter that no control could be set to; the message says what is allowed.
    """
    from dirtylab._units import parse_bytes, parse_seconds
    from dirtylab.explore.kit.widget import ViewWidget
    from dirtylab.explore.views.decide import DecideView
    from dirtylab.explore.views.decide_state import DecideState
    from dirtylab.explore.views.resources import fits, model, worker

    size, _ = read_sizes(pages, 0)
    share = read_share(dirty)
    limit = parse_bytes("memory_limit", memory_limit) if memory_limit else 0
    state = DecideState(
        pages=size, dirty=float(0 if share is None else share), length=length, program=program,
        period=parse_seconds("period", period), memory_limit=limit, cache=cache, over=over,
        trackers=entered_names(trackers),
    )  # fmt: skip
    usual = usual_of(DecideState, decide)
    return ViewWidget(DecideView(state.like_program(), usual, model, worker, fits()))


def crossovers(
    *, pages: int | str = 2**24, dirty: int | str = 100_000,
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
    from dirtylab.explore.views.resources import fits, model, worker

    options = checked_options(dataset, dataset_options)
    size, frames = read_sizes(pages, dirty)
    names = entered_names(structures)
    state = CrossoverState(
        pages=size, dirty=frames, density=read_share(density), dataset=dataset, options=options,
        structures=names, radix=radix, operation=operation, cache=cache, x=x,
        rounds=rounds,
    )  # fmt: skip
    usual = usual_of(CrossoverState, crossovers)
    return ViewWidget(CrossoverView(state, usual, model, worker, fits()))


def memory(
    *,
    pages: int | str = 2**24,
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

    size, frames = read_sizes(pages, dirty)
    state = MemoryState(pages=size, dirty=frames, radix=radix, entry=entry, show=show)
    return ViewWidget(MemoryView(state, usual_of(MemoryState, memory)))


def anatomy(
    *,
    pages: int | str = 64,
    radix: int = 8,
    frames: tuple[int, ...] = (10, 1, 11, 10, 45),
    frame: int = 20,
    step: int = 6,
    operation: str = "harvest",
) -> "ViewWidget":
    """Show a small list, bitmap and tree; step through an insert and a harvest.

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
        Steps of the operation that have been done.
    operation : {"harvest", "insert"}, optional
        What is shown step by step; of inserts, the last one.

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

    size, _ = read_sizes(pages, 0)
    state = AnatomyState(pages=size, radix=radix, frames=tuple(frames), frame=frame, step=step,
                         operation=operation)  # fmt: skip
    return ViewWidget(AnatomyView(state, usual_of(AnatomyState, anatomy)))


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
    size, frames = read_sizes(pages, dirty)
    state = PatternState(dataset=dataset, options=options, pages=size, dirty=frames, seed=seed)
    return ViewWidget(PatternView(state, usual_of(PatternState, patterns)))


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
    state, usual = MailState(run=run, repeats=repeats), usual_of(MailState, mailing_list)
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
    return ViewWidget(VcpuView(VcpuState(vcpus=vcpus), usual_of(VcpuState, _vcpus)))


_vcpus = vcpus


def migration(
    *,
    pages: int | str = "4GiB",
    working_set: int | str = "1GiB",
    rate: float | str = 20_000,
    dataset: str = "random",
    bandwidth: float | str = "1Gbit/s",
    downtime: float | str = 0.3,
    tracker: str = "kvm-log",
    limit: float | str = 60.0,
    costs: str = "qemu-runs",
    run: str = "none",
) -> "ViewWidget":
    """Show whether a live migration converges, how long it takes, and what the tracker changes.

    Parameters
    ----------
    pages, working_set : int or str, optional
        Memory of the guest, and how much of it is written to.
    rate : float or str, optional
        Writes a second; ``"as fast as it can"``.
    dataset : str, optional
        Pattern of the writes, one with a closed form.
    bandwidth : float or str, optional
        Of the link, in bytes a second or as ``"10Gbit/s"``.
    downtime, limit : float or str, optional
        The longest pause, and the time allowed, in seconds or as ``"300ms"``.
    tracker : str, optional
        As :func:`dirtylab.migrate` takes it.
    costs : str, optional
        Recorded machine that the costs are of.
    run : str, optional
        A recorded run whose syncs are laid over.

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
    from dirtylab.explore.views.migration import MigrationView
    from dirtylab.explore.views.migration_state import state_of

    usual = state_of(**(migration.__kwdefaults__ or {}))
    state = state_of(
        pages=pages, working_set=working_set, rate=rate, dataset=dataset, bandwidth=bandwidth,
        downtime=downtime, tracker=tracker, limit=limit, costs=costs, run=run,
    )  # fmt: skip
    return ViewWidget(MigrationView(state, usual))
