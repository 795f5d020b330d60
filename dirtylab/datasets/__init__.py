"""Which pages get dirty: generators of frames in arrival order.

Adding a pattern is one function here and one line in :data:`DATASETS`; tests, sweeps, figures
and commands iterate over it.
"""

from collections.abc import Callable

from dirtylab.datasets.clusters import clustered
from dirtylab.datasets.glibc import ORDERS, Frames, mailing_list
from dirtylab.datasets.patterns import random, sequential, strided
from dirtylab.datasets.skewed import hotset, phases, zipf
from dirtylab.datasets.traces import trace

DATASETS: dict[str, Callable[..., Frames]] = {
    "mailing-list": mailing_list,
    "random": random,
    "sequential": sequential,
    "clustered": clustered,
    "strided": strided,
    "zipf": zipf,
    "hotset": hotset,
    "phases": phases,
    "trace": trace,
}
"""Name to generator, called as ``generator(pages, dirty, *, seed=0, **options)``.

All but ``trace``, which needs its ``path``, have defaults that work for any `pages` of 1 or more
and any `dirty` up to `pages`.
"""

__all__ = [
    "DATASETS",
    "ORDERS",
    "clustered",
    "hotset",
    "mailing_list",
    "phases",
    "random",
    "sequential",
    "strided",
    "trace",
    "zipf",
]
