"""Which pages get dirty: generators of frames in arrival order.

Adding a pattern is one function here and one line in :data:`DATASETS`; tests, sweeps, figures
and commands iterate over it.
"""

from collections.abc import Callable

from dirtylab.datasets.glibc import ORDERS, Frames, mailing_list

DATASETS: dict[str, Callable[..., Frames]] = {"mailing-list": mailing_list}
"""Name to generator, called as ``generator(pages, dirty, **options)``."""

__all__ = ["DATASETS", "ORDERS", "mailing_list"]
