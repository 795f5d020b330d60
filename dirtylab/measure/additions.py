"""Patterns and structures registered at run time, for another process that measures.

That process is a new interpreter: it knows what the package registers and nothing of what a
notebook has added.  Functions and classes are sent whole, for they may come from a cell.  Native
trackers are read there from the same path, and must be the same: their code is in no class.
"""

import pickle
import sys
from collections.abc import Iterable, Mapping
from typing import Any

from numba import cloudpickle

from dirtylab.datasets import DATASETS
from dirtylab.native.contestants import native, register_from
from dirtylab.structures import STRUCTURES

_PACKAGE = __name__.partition(".")[0]


def packed(datasets: Iterable[str], structures: Iterable[str]) -> bytes:
    """Return those of the named patterns and structures that are not the package's own, if any.

    Raises
    ------
    ValueError
        One can't be pickled, because of what it refers to.
    """
    named = list(structures)
    found = {"datasets": _added(DATASETS, datasets), "structures": _added(STRUCTURES, named)}
    trackers = native(named)
    if not any(found.values()) and not trackers:
        return b""
    modules = [sys.modules[one.__module__] for part in found.values() for one in part.values()
               if getattr(one, "__module__", "") in sys.modules]  # fmt: skip
    for module in modules:
        cloudpickle.register_pickle_by_value(module)
    try:
        return bytes(cloudpickle.dumps({**found, "trackers": trackers}))
    except (TypeError, AttributeError, pickle.PicklingError) as error:
        names = ", ".join(name for part in found.values() for name in part)
        raise ValueError(f"{names}: can't be sent to the process that measures: {error}") from None
    finally:
        for module in dict.fromkeys(modules):
            cloudpickle.unregister_pickle_by_value(module)


def register(sent: bytes) -> None:
    """Register in this process what another has :func:`packed`.

    Raises
    ------
    TrackerError
        A native tracker is not on this machine, or is another one here.
    """
    if sent:
        found = pickle.loads(sent)
        DATASETS.update(found["datasets"])
        STRUCTURES.update(found["structures"])
        for name, (path, identity) in found["trackers"].items():
            register_from(path, identity, name)


def _added(registry: Mapping[str, Any], names: Iterable[str]) -> dict[str, Any]:
    return {
        name: registry[name]
        for name in names
        if name in registry and not _is_own(getattr(registry[name], "__module__", ""))
    }


def _is_own(module: str) -> bool:
    return module.partition(".")[0] == _PACKAGE
