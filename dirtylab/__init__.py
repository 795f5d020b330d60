"""dirtylab, the laboratory for dirty-page tracking.

A guest dirties some of its memory pages; which data structure should track them?

``dirtylab.STRUCTURES``
    Name to structure: how dirty pages are tracked.
``dirtylab.DATASETS``
    Name to generator: which pages get dirty.
``dirtylab.describe``
    What predicts the cost of tracking some frames.
``dirtylab.advise``
    Which structure to choose, at what cost, and where the choice changes.
``dirtylab.migrate``
    Whether a live migration converges, how long it takes, and what downtime.
``dirtylab.migration_table``
    The same over bandwidth and downtime.
``dirtylab.checkpoint``
    What periodic checkpoints cost, and whether the line keeps up.
``dirtylab.sweep``
    Measure structures on patterns over a grid of sizes.
``dirtylab.live``
    Real dirty pages of KVM guests and processes.
``dirtylab.explore``
    Views with sliders for JupyterLab.
``dirtylab.native``
    Trackers of your own in C, C++ or Rust, and the check of their contract.
``dirtylab.mailing_list``
    The 2016 study from the KVM mailing list, reproduced.

Importing this package loads and compiles nothing; each name above loads what it needs when it
is first used.
"""

import importlib
from typing import TYPE_CHECKING

__version__ = "0.2.0"

if TYPE_CHECKING:
    from dirtylab import (
        datasets,
        explore,
        figures,
        live,
        mailing_list,
        measure,
        native,
        structures,
        theory,
    )
    from dirtylab.advice.advisor import advise
    from dirtylab.datasets import DATASETS
    from dirtylab.datasets.describe import describe
    from dirtylab.measure.sweep import sweep
    from dirtylab.migration.checkpoints import checkpoint
    from dirtylab.migration.precopy import migrate
    from dirtylab.migration.table import migration_table
    from dirtylab.structures import STRUCTURES

__all__ = [
    "DATASETS",
    "STRUCTURES",
    "__version__",
    "advise",
    "checkpoint",
    "datasets",
    "describe",
    "explore",
    "figures",
    "live",
    "mailing_list",
    "measure",
    "migrate",
    "migration_table",
    "native",
    "structures",
    "sweep",
    "theory",
]

_HOME = {
    "DATASETS": "dirtylab.datasets",
    "STRUCTURES": "dirtylab.structures",
    "advise": "dirtylab.advice.advisor",
    "checkpoint": "dirtylab.migration.checkpoints",
    "describe": "dirtylab.datasets.describe",
    "migrate": "dirtylab.migration.precopy",
    "migration_table": "dirtylab.migration.table",
    "sweep": "dirtylab.measure.sweep",
}


def __getattr__(name: str) -> object:
    if name in _HOME:
        return getattr(importlib.import_module(_HOME[name]), name)
    if name in __all__:
        return importlib.import_module(f"dirtylab.{name}")
    raise AttributeError(f"module 'dirtylab' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted(__all__)
