"""The table that a native library exports, read through ctypes: see ``include/dirtylab.h``."""

import ctypes
import enum
import pathlib
from typing import Any, NamedTuple

from dirtylab.native.errors import TrackerError

ABI = 1
EXPORTED = "dirtylab_trackers"
LONGEST_NAME = 40

_U32, _U64, _PTR = ctypes.c_uint32, ctypes.c_uint64, ctypes.c_void_p


class Flags(enum.IntFlag):
    """What a tracker promises."""

    SORTED = 1
    UNIQUE = 2
    CONCURRENT = 4
    GROWS = 8


class Run(ctypes.Structure):
    """``struct dirtylab_run``."""

    _fields_ = (("first", _U64), ("pages", _U64))


class RawTable(ctypes.Structure):
    """``struct dirtylab_tracker``."""

    _fields_ = (
        ("abi", _U32),
        ("bytes_of_table", _U32),
        ("flags", _U32),
        ("reserved", _U32),
        ("name", ctypes.c_char_p),
        ("create", _PTR),
        ("destroy", _PTR),
        ("insert", _PTR),
        ("harvest", _PTR),
        ("clear", _PTR),
        ("bytes", _PTR),
        ("harvest_runs", _PTR),
        ("insert_range", _PTR),
        ("count", _PTR),
    )


NEEDED = ("create", "destroy", "insert", "harvest", "clear", "bytes")
_PROTOTYPES: dict[str, Any] = {
    "create": ctypes.CFUNCTYPE(_PTR, _U64),
    "destroy": ctypes.CFUNCTYPE(None, _PTR),
    "insert": ctypes.CFUNCTYPE(None, _PTR, _PTR, _U64),
    "harvest": ctypes.CFUNCTYPE(_U64, _PTR, _PTR, _U64),
    "clear": ctypes.CFUNCTYPE(None, _PTR),
    "bytes": ctypes.CFUNCTYPE(_U64, _PTR),
    "harvest_runs": ctypes.CFUNCTYPE(_U64, _PTR, _PTR, _U64),
    "insert_range": ctypes.CFUNCTYPE(None, _PTR, _U64, _U64),
    "count": ctypes.CFUNCTYPE(_U64, _PTR),
}


class Table(NamedTuple):
    """One tracker of a loaded library."""

    name: str
    flags: Flags
    addresses: dict[str, int]
    """Address of each function; an optional one that is absent has none."""
    library: ctypes.CDLL
    """Keeps the code in memory."""

    def call(self, name: str) -> Any:
        """Return a function as ctypes calls it."""
        return _PROTOTYPES[name](self.addresses[name])


def read_tables(library: pathlib.Path) -> list[Table]:
    """Load a library and return its trackers.

    Raises
    ------
    TrackerError
        It can't be loaded, exports no table, or a field of one is wrong; the message says which.
    """
    try:
        loaded = ctypes.CDLL(str(library))  # RTLD_LOCAL: names of two libraries don't meet
        exported = getattr(loaded, EXPORTED)
    except OSError as error:
        raise TrackerError(f"{library.name}: can't be loaded: {error}") from None
    except AttributeError:
        raise TrackerError(f"{library.name}: exports no {EXPORTED}; see dirtylab.h") from None
    exported.restype = ctypes.POINTER(ctypes.POINTER(RawTable))
    array = exported()
    if not array:
        raise TrackerError(f"{library.name}: {EXPORTED}() returned NULL")
    tables: list[Table] = []
    while array[len(tables)]:
        tables.append(_table(library, loaded, array[len(tables)].contents, len(tables)))
    names = [table.name for table in tables]
    if not names or len(set(names)) < len(names):
        raise TrackerError(f"{library.name}: its trackers must have names of their own: {names}")
    return tables


def _table(library: pathlib.Path, loaded: ctypes.CDLL, raw: RawTable, number: int) -> Table:
    where = f"{library.name}, table {number}"
    if raw.abi != ABI:
        raise TrackerError(f"{where}: abi={raw.abi}: must be {ABI}")
    if raw.bytes_of_table < ctypes.sizeof(RawTable):
        raise TrackerError(
            f"{where}: bytes_of_table={raw.bytes_of_table}: must be {ctypes.sizeof(RawTable)}"
        )
    if raw.flags & ~int(sum(Flags)):
        raise TrackerError(f"{where}: flags={raw.flags:#x}: holds unknown ones")
    missing = [name for name in NEEDED if not getattr(raw, name)]
    if missing:
        raise TrackerError(f"{where}: {', '.join(missing)}: must not be NULL")
    addresses = {name: found for name in _PROTOTYPES if (found := getattr(raw, name))}
    return Table(_name(where, raw.name), Flags(raw.flags), addresses, loaded)


def _name(where: str, given: bytes | None) -> str:
    try:
        name = (given or b"").decode()
    except UnicodeDecodeError:
        name = ""
    if not name.isprintable() or not 0 < len(name) <= LONGEST_NAME or " " in name:
        raise TrackerError(
            f"{where}: name={given!r}: must be 1 … {LONGEST_NAME} printable characters, no space"
        )
    return name
