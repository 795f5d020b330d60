"""Recorded machines: which are shipped, what they are called, and which is most like this one.

``data/machines/<id>/`` holds what was measured on a machine: ``crossovers/``, ``peers/``, and a
cost model for each state of the caches.  Each part says itself what it was measured on; a folder
may lack some.
"""

import functools
import hashlib
import pathlib
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np

from dirtylab._caches import CACHES, GUEST_RAN
from dirtylab._data import data_file
from dirtylab._reading import read_object
from dirtylab.advice.model import Model, cache_bytes
from dirtylab.measure.machine import core_of, kind_of
from dirtylab.measure.recording import MACHINE

CROSSOVERS, PEERS = "crossovers", "peers"
_APART = (("vendor", 4.0), ("core", 2.0), ("family", 1.0), ("model", 0.5))
"""What makes two processors differ, and by how much: a doubling of a cache counts 0.5."""
_VECTORS, _CACHE = 2.0, 0.5


class RecordedMachine(NamedTuple):
    """A machine, and the folder of what was measured on it."""

    name: str
    folder: pathlib.Path
    machine: dict[str, Any]

    @property
    def parts(self) -> tuple[str, ...]:
        """What there is: ``crossovers``, ``peers``, ``model guest-ran``, ``model warm``."""
        folders = [one for one in (CROSSOVERS, PEERS) if (self.folder / one).is_dir()]
        models = [
            f"model {cache}" for cache in CACHES if (self.folder / model_file(cache)).exists()
        ]
        return (*folders, *models)

    @property
    def complete(self) -> bool:
        """Whether all parts are there."""
        return len(self.parts) == 2 + len(CACHES)

    def model(self, cache: str) -> Model | None:
        """Return the cost model for a state of the caches, or None."""
        path = self.folder / model_file(cache)
        return Model.load(path) if path.exists() else None


def model_file(cache: str) -> str:
    """Return the name of a model's file."""
    return f"model-{cache}.json"


def held_out_file(cache: str) -> str:
    """Return the name of the file of the cells that a model was tried on."""
    return f"held_out-{cache}.csv"


def machine_id(machine: Mapping[str, Any]) -> str:
    """Return a short name of a kind of machine, such as ``intel-emerald-rapids-3fa2``.

    The digits tell apart what differs in caches, vector code, stepping, cores or hypervisor.
    """
    processor = machine.get("processor")
    vendor = processor.get("vendor") if isinstance(processor, dict) else None
    words = f"{vendor or ''} {core_of(machine) or _numbers(processor) or machine.get('cpu')}"
    kind = kind_of(machine) or repr(sorted(map(str, machine.items())))
    short = re.sub(r"[^a-z0-9]+", "-", words.lower()).strip("-")
    return f"{short[:40].strip('-')}-{hashlib.sha256(kind.encode()).hexdigest()[:4]}"


def _numbers(processor: object) -> str:
    told = processor if isinstance(processor, dict) else {}
    return " ".join(f"{name} {told[name]}" for name in ("family", "model") if name in told)


def read_machine(folder: pathlib.Path) -> RecordedMachine:
    """Return the machine of a folder.

    Raises
    ------
    FileNotFoundError
        Nothing was recorded there.
    ValueError
        A file in it is no description of a machine; it is named.
    """
    if (folder / CROSSOVERS / MACHINE).exists():
        machine = read_object(folder / CROSSOVERS / MACHINE, {})
    elif (folder / PEERS / MACHINE).exists():
        machine = read_object(folder / PEERS / MACHINE, {"machine": dict})["machine"]
    else:
        models = (folder / model_file(cache) for cache in CACHES)
        found = next((path for path in models if path.exists()), None)
        if found is None:
            raise FileNotFoundError(
                f"{folder}: holds no study of a machine; dirtylab study makes one"
            )
        machine = Model.load(found).machine
    return RecordedMachine(folder.name, folder, machine)


@functools.cache
def recorded() -> tuple[RecordedMachine, ...]:
    """Return all shipped machines, the newest recording last."""
    folders = [path for path in data_file("machines").iterdir() if path.is_dir()]
    found = [read_machine(path) for path in sorted(folders)]
    return tuple(sorted(found, key=lambda one: str(one.machine.get("date"))))


def reference() -> RecordedMachine:
    """Return the machine whose study README, documentation and notebooks show.

    The one recorded last of those with all parts.
    """
    whole = [one for one in recorded() if one.complete]
    return (whole or list(recorded()))[-1]


def nearest(machine: Mapping[str, Any], cache: str = GUEST_RAN) -> tuple[RecordedMachine, Model]:
    """Return the shipped machine that is most like another, of those with a model, and the model.

    Parameters
    ----------
    machine : mapping
        As :func:`dirtylab.measure.machine.describe_machine` gives it.
    cache : {"guest-ran", "warm"}, optional
        State of the caches that the model is for.
    """
    known = [(one, model) for one in recorded() if (model := one.model(cache)) is not None]
    return min(known, key=lambda pair: distance(machine, pair[1].machine))


def distance(one: Mapping[str, Any], other: Mapping[str, Any]) -> float:
    """Return how unlike two machines are: by vendor, core design, vector code and caches.

    0 for machines of one kind; what a description lacks counts as different.
    """
    apart = 0.0
    mine, yours = (_facts(machine) for machine in (one, other))
    for name, weight in _APART:
        apart += weight * (mine.get(name) != yours.get(name) or not mine)
    apart += _VECTORS * (one.get("vector_code") != other.get("vector_code"))
    sizes = [np.log2([size for size in cache_bytes(machine) if size]) for machine in (one, other)]
    return apart + _CACHE * float(np.abs(sizes[0] - sizes[1]).sum())


def difference(machine: Mapping[str, Any], other: Mapping[str, Any]) -> str:
    """Return in what two machines differ, such as "vendor, caches"; empty for those of one kind."""
    if kind_of(machine) is not None and kind_of(machine) == kind_of(other):
        return ""
    mine, yours = _facts(machine), _facts(other)
    differ = [name for name in ("vendor", "core") if mine.get(name) != yours.get(name)]
    if machine.get("vector_code") != other.get("vector_code"):
        differ.append("vector code")
    if cache_bytes({**machine, "cache": ""}) != cache_bytes({**other, "cache": ""}):
        differ.append("caches")
    return ", ".join(differ) or "details"


def _facts(machine: Mapping[str, Any]) -> dict[str, Any]:
    """Return what is told of the processor; nothing where nothing is."""
    processor = machine.get("processor")
    return {**processor, "core": core_of(machine)} if isinstance(processor, dict) else {}
