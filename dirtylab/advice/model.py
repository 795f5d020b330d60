"""A machine's cost model: a fitted law for each structure and operation."""

import os
import pathlib
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from dirtylab import _check
from dirtylab._caches import CACHES as CACHE_STATES
from dirtylab._caches import GUEST_RAN, WARM
from dirtylab._check import Array
from dirtylab._reading import (
    Each,
    Maybe,
    Number,
    Whole,
    printable,
    read_object,
    require_shape,
    shown,
)
from dirtylab.advice.validation import ERROR_SHAPE, Trial
from dirtylab.advice.validation import SHAPE as TRIAL_SHAPE
from dirtylab.datasets import read
from dirtylab.measure.files import write_json
from dirtylab.theory.cost_fit import Law, fit
from dirtylab.theory.features import Subject, features, has_work_law
from dirtylab.theory.hinges import CACHES
from dirtylab.theory.occupancy import has_occupancy_law
from dirtylab.theory.operations import Pattern

if TYPE_CHECKING:
    import pandas as pd

FORMAT = 1
OPERATIONS = ("insert", "collect", "harvest", "epoch")
MEASURED = ("insert", "collect", "harvest")
"""Operations that have laws; an epoch is an insert and a harvest."""

LAW_SHAPE = {
    "structure": str,
    "operation": str,
    "prices": Each(dict, Number(0)),
    "training": ERROR_SHAPE,
    "held_out": ERROR_SHAPE,
    "cells": Whole(0),
}
SHAPE = {
    "format": Whole(),
    "machine": dict,
    "reference_ns": Number(1e-3, 1e18),
    "trial": Maybe(TRIAL_SHAPE),
    "laws": Each(list, LAW_SHAPE),
}
"""A model's file."""
Options = Mapping[str, Any]


_CACHE_SIZE = re.compile(r"([1-9][0-9]{0,8})([KM])", re.ASCII)
_ANY_PATTERN = Pattern("random", 2**16, np.array(100.0), {})
"""The names of the features are the same for all patterns."""


class ModelError(ValueError):
    """A file that holds no model, or one of another version."""


class Model:
    """Predicts what tracking costs on one machine.

    Parameters
    ----------
    laws : mapping of (str, str) to Law
        By structure, a name such as ``"tree16"`` for a tree of radix 16, and operation.
    machine : mapping
        What it was measured on, as ``describe_machine`` gives it, and under ``cache`` what the
        caches held.
    reference_ns : float, optional
        Time of the reference kernel during the measurement: the speed that its times refer to.
    trial : Trial, optional
        Its errors on held-out cells.
    """

    def __init__(
        self,
        laws: Mapping[tuple[str, str], Law],
        machine: Mapping[str, Any],
        reference_ns: float = 1.0,
        trial: Trial | None = None,
    ) -> None:
        self.laws = dict(laws)
        self.machine = dict(machine)
        self.reference_ns = reference_ns
        self.trial = trial
        self._caches = cache_bytes(machine)

    @property
    def cache(self) -> str:
        """What the caches held when it was measured: ``"guest-ran"`` or ``"warm"``."""
        return cache_of(self.machine)

    def with_trial(self, trial: Trial) -> "Model":
        """Return the same model with a trial."""
        return Model(self.laws, self.machine, self.reference_ns, trial)

    @property
    def structures(self) -> tuple[str, ...]:
        """Structures with laws."""
        return tuple(dict.fromkeys(structure for structure, _ in self.laws))

    def predict(
        self,
        structure: str,
        operation: str,
        dataset: str,
        pages: int,
        dirty: npt.ArrayLike,
        **dataset_options: Any,
    ) -> Array:
        """Return nanoseconds.

        Parameters
        ----------
        structure : str
            One of :attr:`structures`.
        operation : {"insert", "collect", "harvest", "epoch"}
            A collect and a harvest follow an insert.
        dataset : str
            Name in ``dirtylab.DATASETS``.
        pages : int
            Size of the slot.
        dirty : array_like of int
            Numbers of frames.
        **dataset_options
            As the generator takes them.

        Returns
        -------
        numpy.ndarray
            float64, the shape of `dirty`.

        Raises
        ------
        ValueError
            No law for such a structure or operation.
        """
        pattern = Pattern(dataset, pages, np.asarray(dirty, float), dataset_options)
        return self.times(structure, operation, pattern)

    def times(self, structure: str, operation: str, pattern: Pattern) -> Array:
        """Return nanoseconds for a pattern; one pattern for many structures saves its evaluation.

        Takes and raises what :meth:`predict` does; float64, the shape of ``pattern.dirty``.
        """
        _check.choice("structure", structure, self.structures)
        _check.choice("operation", operation, OPERATIONS)
        subject = Subject(structure, {}, self._caches)
        parts = ("insert", "harvest") if operation == "epoch" else (operation,)
        for part in parts:
            if (structure, part) not in self.laws:
                raise ValueError(f"operation={operation!r}: the model has no {part} of {structure}")
        times = [
            self.laws[structure, part].predict(features(subject, part, pattern)) for part in parts
        ]
        total: Array = np.sum(times, axis=0)
        return total

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write it as JSON, whole or not at all."""
        laws = [
            {"structure": structure, "operation": operation, **law.as_dict()}
            for (structure, operation), law in self.laws.items()
        ]
        facts = {
            "format": FORMAT,
            "machine": self.machine,
            "reference_ns": self.reference_ns,
            "trial": self.trial.as_dict() if self.trial else None,
            "laws": laws,
        }
        write_json(pathlib.Path(path), facts)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Model":
        """Read what :meth:`save` wrote.

        Raises
        ------
        ModelError
            It is no model of this version; the message says what to do.
        """
        try:
            found = read_object(path, {"format": Whole()})
        except ValueError as error:
            raise ModelError(f"{error}: is no model; run dirtylab calibrate") from None
        where, version = printable(path), found["format"]
        if version != FORMAT:
            raise ModelError(f"{where}: has format {version}, not {FORMAT}; run dirtylab calibrate")
        try:
            require_shape(found, SHAPE)
            laws = _laws(found["laws"], cache_bytes(found["machine"]))
        except ValueError as error:
            raise ModelError(f"{where}: is no model ({error}); run dirtylab calibrate") from None
        trial = Trial.from_dict(found["trial"]) if found["trial"] else None
        return cls(laws, found["machine"], float(found["reference_ns"]), trial)


def _laws(given: list[dict[str, Any]], caches: tuple[int, ...]) -> dict[tuple[str, str], Law]:
    """Return the laws of a file; ValueError where one could not be asked for a time."""
    laws: dict[tuple[str, str], Law] = {}
    for number, one in enumerate(given):
        structure, operation = one["structure"], one["operation"]
        if structure == "tree" or not has_work_law(structure):
            raise ValueError(f"laws.{number}.structure: {shown(structure)} is unknown")
        if operation not in MEASURED or (structure, operation) in laws:
            raise ValueError(
                f"laws.{number}.operation: must be one of {', '.join(MEASURED)}, each once, not "
                f"{shown(operation)}"
            )
        known = features(Subject(structure, {}, caches), operation, _ANY_PATTERN)
        names = {*known.always, *(f"+ {name}" for name in known.hinges)}
        if unknown := sorted({*one["prices"]} - names):
            raise ValueError(f"laws.{number}.prices: {shown(unknown[0])} is no feature")
        laws[structure, operation] = Law.from_dict(one)
    return laws


def cache_of(machine: Mapping[str, Any]) -> str:
    """Return what the caches held; recordings before version 0.2, which don't say, were warm."""
    told = machine.get("cache")
    return told if told in CACHE_STATES else WARM


def cache_bytes(machine: Mapping[str, Any]) -> tuple[int, ...]:
    """Return a machine's data caches in bytes, usual where unknown; 0 first where a guest ran."""
    told = machine.get("caches")
    sizes = [told.get(name) if isinstance(told, dict) else None for name in ("L1d", "L2", "L3")]
    units = {"K": 2**10, "M": 2**20}
    found = [_CACHE_SIZE.fullmatch(size) if isinstance(size, str) else None for size in sizes]
    known = (
        int(size[1]) * units[size[2]] if size else usual
        for size, usual in zip(found, CACHES, strict=True)
    )
    return (0, *known) if cache_of(machine) == GUEST_RAN else tuple(known)


def name_of(row: Mapping[Any, Any]) -> str:
    """Return the name by which a model knows the structure of a sweep's row."""
    if row["structure"] != "tree":
        return str(row["structure"])
    return f"tree{int(float(row['structure_radix']))}"


def cells_of(table: "pd.DataFrame", reference_ns: float | None = None) -> "pd.DataFrame":
    """Return one row for each cell, structure and operation of a sweep, with its median time.

    Times are scaled to one speed of the machine by the reference kernel's time beside each: to the
    speed at which it takes `reference_ns`, its median when omitted.
    """
    kept = table[~table["control"]].copy()
    kept["structure"] = [name_of(row) for row in kept.to_dict("records")]
    usual = reference_ns or kept["reference_ns"].median()
    kept["ns"] = kept["ns"] * usual / kept["reference_ns"]
    own = [str(name) for name in kept if str(name).startswith("dataset_")]
    keys = ["structure", "operation", "dataset", *own, "pages", "dirty"]
    return kept.groupby(keys, sort=False, dropna=False)["ns"].median().reset_index()


def _pattern_keys(cells: "pd.DataFrame") -> list[str]:
    own = [str(name) for name in cells if str(name).startswith("dataset_")]
    return ["dataset", *own, "pages", "dirty"]


def pattern_of(row: Mapping[Any, Any]) -> Pattern:
    """Return the pattern of one of :func:`cells_of`'s rows."""
    options = {
        name[8:]: value
        for name, value in row.items()
        if name.startswith("dataset_") and value not in ("", None) and value == value
    }
    dirty = np.array(float(row["dirty"]))
    return Pattern(row["dataset"], int(row["pages"]), dirty, read(row["dataset"], options))


def _with_law(cells: "pd.DataFrame") -> npt.NDArray[np.bool_]:
    """Return for each cell whether there is a law of its pattern and of its structure's work."""
    patterns = [pattern_of(row) for row in cells.to_dict("records")]
    known = [has_occupancy_law(one.dataset, one.options) for one in patterns]
    return np.array(known, bool) & cells["structure"].map(has_work_law).to_numpy(bool)


def fit_model(table: "pd.DataFrame", machine: Mapping[str, Any]) -> Model:
    """Fit a model to a sweep; patterns and structures without a closed form are left out.

    Parameters
    ----------
    table : pandas.DataFrame
        As :func:`dirtylab.sweep` returns it.
    machine : mapping
        What it was measured on, with ``cache`` as in :class:`Model`.
    """
    caches = cache_bytes(machine)
    laws = {}
    reference_ns = float(table["reference_ns"].median())
    cells = cells_of(table, reference_ns)
    cells = cells[cells["operation"].isin(MEASURED) & _with_law(cells)]
    keys = _pattern_keys(cells)
    known: dict[tuple[Any, ...], Pattern] = {}
    for (structure, operation), group in cells.groupby(["structure", "operation"], sort=False):
        subject = Subject(str(structure), {}, caches)
        patterns = [
            known.setdefault(tuple(map(str, key)), pattern_of(row))
            for key, row in zip(
                group[keys].itertuples(index=False), group.to_dict("records"), strict=True
            )
        ]
        work = [features(subject, str(operation), pattern) for pattern in patterns]
        laws[str(structure), str(operation)] = fit(work, group["ns"].to_numpy())
    return Model(laws, machine, reference_ns)


def errors_on(model: Model, cells: "pd.DataFrame") -> "pd.DataFrame":
    """Return cells with the model's prediction and its relative error, a share.

    Both are missing where a pattern or structure has no law: it is measured only.
    """
    unknown = [has_work_law(name) and name not in model.structures for name in cells["structure"]]
    found = cells[~np.array(unknown, bool)].copy()
    found["predicted"] = [
        float(model.times(row["structure"], row["operation"], pattern_of(row))) if known else np.nan
        for row, known in zip(found.to_dict("records"), _with_law(found), strict=True)
    ]
    found["error"] = (found["predicted"] / found["ns"] - 1.0).abs()
    return found
