"""One real migration: two processes, the guest's boot, the migration, what was reported."""

import contextlib
import math
import pathlib
import time
from typing import Any, NamedTuple

from dirtylab.migration.real import process
from dirtylab.migration.real.firmware import FILLED, STATE, image
from dirtylab.migration.real.memory import differing_pages
from dirtylab.migration.real.process import Qemu
from dirtylab.migration.real.qmp import QemuError
from dirtylab.migration.real.result import RealMigration
from dirtylab.migration.real.rounds import read_trace, table_of
from dirtylab.migration.real.setup import Setup, setup
from dirtylab.migration.real.ticks import ticks_per_second
from dirtylab.migration.tracking import kind_of

_FILL_S, _COUNTED_S, _AGAIN_S = 120.0, 0.3, 0.02
_TOTAL_S, _TOTAL_TRIES = 0.1, 20
"""``completed`` comes before ``total-time``: after so long it is there."""
_GRACE_S = 5.0
"""How long QEMU may take to end a migration that is cancelled, or in its last pause."""
_MESSAGE = "real migrations"
_PAST_TIMES = ("completed", "failed", "cancelled")


def run(
    pages: int | str,
    dataset: str = "random",
    *,
    working_set: int | str | None = None,
    rate: float | str | None = None,
    bandwidth: float | str,
    downtime: float | str = "300ms",
    tracker: str = "kvm-log",
    nonzero: int | str = 0,
    prealloc: bool = True,
    limit: float | str = "30s",
    vcpus: int = 1,
    extras: str | list[str] | tuple[str, ...] = (),
    compare: bool = False,
    **options: Any,
) -> RealMigration:
    """Migrate a real guest of QEMU on this machine; the words are those of `dirtylab.migrate`.

    Parameters
    ----------
    pages : int or str
        Memory of the guest in whole MiB, 16 MiB … 8 GiB, also as ``"1GiB"``.
    dataset : {"random", "sequential", "hotset", "clustered", "idle"}, optional
        Pattern of its writes.
    working_set : int or str, optional
        Pages that it writes to, and that are not zero; all but the first 2 MiB when omitted.
    rate : float or str, optional
        Writes a second, all vCPUs together; as fast as it can when omitted.
    bandwidth : float or str
        Bytes a second, or ``"150MB/s"``.
    downtime, limit : float or str, optional
        Seconds, or ``"300ms"``: the longest pause, and the time allowed, after which the migration
        is cancelled.
    tracker : {"kvm-log", "kvm-ring:4096", "tcg"}, optional
        A ring may have another power of two of entries, 1024 … 65536.
    nonzero : int or str, optional
        Pages that are not zero; those written to count, too.
    prealloc : bool, optional
        Whether the destination's memory is touched before.
    vcpus : {1, 2}, optional
        Processors of the guest; they share the rate and the working set.
    extras : str or sequence of str, optional
        ``"auto-converge"`` (options ``initial``, ``increment``), ``"multifd"`` (``channels``),
        ``"xbzrle"`` (``cache``), ``"postcopy"`` after the first round; options are written
        ``"auto-converge:initial=50,increment=25"``.
    compare : bool, optional
        Whether both ends' memory is compared, both stopped, after the migration.
    **options
        Of the pattern: ``hot``, ``writes`` of ``hotset``, ``length`` of ``clustered``.

    Returns
    -------
    RealMigration
        Which prints as text.

    Raises
    ------
    OSError
        QEMU or /dev/kvm is missing, or no socket can be made.
    MemoryError
        Source and destination do not fit in what is free.
    QemuError
        QEMU refused something, or ended.
    ValueError, TypeError
        An argument out of range.

    Notes
    -----
    Cost: a second beside the migration itself, and memory for two guests.  Whatever ends it, no
    process, socket or file is left.
    """
    asked = setup(
        pages, dataset, working_set=working_set, rate=rate, bandwidth=bandwidth, downtime=downtime,
        tracker=tracker, nonzero=nonzero, prealloc=prealloc, limit=limit, vcpus=vcpus,
        extras=extras, compare=compare, options=options,
    )  # fmt: skip
    return migrated(asked)


def migrated(asked: Setup) -> RealMigration:
    """Do what :func:`run` does, with checked arguments."""
    process.program()
    if asked.tracker != "tcg":
        process.require_kvm()
    process.require_memory(asked.needed_bytes)
    ticks = ticks_per_second()
    with contextlib.ExitStack() as keep:
        folder = keep.enter_context(process.own_folder())
        firmware = folder / "guest.firmware"
        firmware.write_bytes(image(asked.memory_bytes, asked.load(ticks)))
        socket = folder / "migration.socket"
        source = Qemu(keep, folder, "source", _arguments(asked, asked.tracker, firmware))
        # Only the source tracks.  With a ring, QEMU 7.2 aborts where preallocation takes a second.
        plain = "tcg" if asked.tracker == "tcg" else "kvm-log"
        common = _arguments(asked, plain, firmware)
        destination = Qemu(keep, folder, "destination", [*common, *_incoming(asked, socket)])
        return _migrated(asked, source, destination, socket, folder)


def _arguments(asked: Setup, tracker: str, firmware: pathlib.Path) -> list[str]:
    entries = kind_of(tracker)[1]
    ring = f"kvm,dirty-ring-size={entries}"
    accelerator = {"kvm-log": "kvm", "tcg": "tcg"}.get(tracker, ring)
    return [
        "-machine", "pc", "-accel", accelerator, "-m", f"{asked.pages // 256}M",
        "-smp", str(asked.vcpus), "-nodefaults", "-no-user-config", "-display", "none",
        "-vga", "none", "-net", "none", "-bios", str(firmware),
    ]  # fmt: skip


def _incoming(asked: Setup, socket: pathlib.Path) -> list[str]:
    found = ["-incoming", f"unix:{socket}"]
    if asked.prealloc:
        found.append("-mem-prealloc")
    if asked.compare:
        found.append("-S")  # the guest does not go on
    return found


def _migrated(
    asked: Setup, source: Qemu, destination: Qemu, socket: pathlib.Path, folder: pathlib.Path
) -> RealMigration:
    for one in (source, destination):
        _prepare(asked, one)
    _wait_filled(source)
    speed = _speed(asked, source)
    before, begin = _writes(asked, source), time.time()
    source.client.events.clear()
    source.client.execute("migrate", uri=f"unix:{socket}")
    end = _watched(asked, source, destination, begin)
    completed, memory = end.told["status"] == "completed", end.told.get("ram", {})
    lasted = end.told["total-time"] / 1000 if completed else time.time() - begin
    wrote = (_writes(asked, source) - before) / max(lasted, 0.001)
    differing = None
    if asked.compare and completed:
        _wait_arrived(destination)
        differing = differing_pages(source, destination, asked.memory_bytes, folder)
    table = table_of(read_trace(source.trace), begin)
    return RealMigration(
        asked, completed, lasted if completed else asked.limit,
        end.told["downtime"] / 1000 if completed else math.nan,
        int(memory.get("dirty-sync-count", 0)), int(memory.get("transferred", 0)), speed, wrote,
        end.throttle, differing, end.postcopied, source.client.version, table,
    )  # fmt: skip


def _prepare(asked: Setup, guest: Qemu) -> None:
    """Set capabilities and limits, alike at both ends."""
    names = ["events", *("postcopy-ram" if one == "postcopy" else one for one in asked.extras)]
    states = [{"capability": name, "state": True} for name in names]
    guest.client.execute("migrate-set-capabilities", capabilities=states)
    limits: dict[str, int] = {
        "max-bandwidth": round(asked.bandwidth),
        "downtime-limit": max(1, round(1000 * asked.downtime)),
    }
    for extra, options in asked.extras.items():
        for name, value in options.items():
            limits[_PARAMETERS[extra, name]] = value
    guest.client.execute("migrate-set-parameters", **limits)


_PARAMETERS = {
    ("auto-converge", "initial"): "cpu-throttle-initial",
    ("auto-converge", "increment"): "cpu-throttle-increment",
    ("multifd", "channels"): "multifd-channels",
    ("xbzrle", "cache"): "xbzrle-cache-size",
}


class _End(NamedTuple):
    """How a migration ended."""

    told: dict[str, Any]
    throttle: int
    postcopied: bool


def _watched(asked: Setup, source: Qemu, destination: Qemu, begin: float) -> _End:
    """Wait for the end, or cancel when the time is up; begin post-copy after the first round."""
    client, until = source.client, begin + asked.limit
    last: dict[str, Any] = {}
    postcopied, throttle = "postcopy" not in asked.extras, 0
    while True:
        client.wait(min(max(until - time.time(), 0.0), 0.25))
        told = _asked(source, None if last else destination)  # which ends when it is cancelled
        throttle = max(throttle, int(told.get("cpu-throttle-percentage", 0)))
        if told.get("status") in _PAST_TIMES:
            break
        if not postcopied and told.get("ram", {}).get("dirty-sync-count", 0) >= 2:
            client.execute("migrate-start-postcopy")
            postcopied = True
        if time.time() >= until:
            if last:
                raise QemuError(f"{_MESSAGE}: QEMU: still {told.get('status')} after its limit")
            last, until = told, until + _GRACE_S
            client.execute("migrate_cancel")
    if told["status"] != "completed":
        return _End({**last, "status": "cancelled"}, throttle, False)
    began = any(event.data.get("status") == "postcopy-active" for event in client.events)
    return _End(_totalled(source), throttle, began)


def _asked(source: Qemu, destination: Qemu | None) -> dict[str, Any]:
    """Return how the migration goes; QemuError where it has failed."""
    told: dict[str, Any] = source.client.execute("query-migrate")
    if destination and (trouble := destination.trouble()):
        raise QemuError(trouble)
    if told.get("status") == "failed":
        raise QemuError(f"{_MESSAGE}: QEMU: {told.get('error-desc', 'failed')}")
    return told


def _totalled(source: Qemu) -> dict[str, Any]:
    """Return the report of a migration that has just been completed."""
    for _ in range(_TOTAL_TRIES):
        time.sleep(_TOTAL_S)
        told: dict[str, Any] = source.client.execute("query-migrate")
        if told.get("total-time"):
            return told
    raise QemuError(f"{_MESSAGE}: QEMU: tells no total time")


def _wait_filled(source: Qemu) -> None:
    """Wait until all pages are written that shall not be zero."""
    end = time.monotonic() + _FILL_S
    while not _word(source, FILLED):
        if time.monotonic() > end:
            raise QemuError(f"{_MESSAGE}: the guest did not fill its memory in {_FILL_S:g} s")
        time.sleep(_AGAIN_S)


def _wait_arrived(destination: Qemu) -> None:
    """Wait until the destination has taken what the source has sent."""
    end = time.monotonic() + _GRACE_S
    while destination.client.execute("query-status")["status"] == "inmigrate":
        if time.monotonic() > end:
            raise QemuError(f"{_MESSAGE}: the destination did not end in {_GRACE_S:g} s")
        time.sleep(_AGAIN_S)


def _speed(asked: Setup, source: Qemu) -> float:
    """Return the guest's writes a second."""
    if asked.dataset == "idle" or asked.rate == 0:
        return 0.0
    first, begin = _writes(asked, source), time.monotonic()
    time.sleep(_COUNTED_S)
    last, end = _writes(asked, source), time.monotonic()
    return (last - first) / (end - begin)


def _writes(asked: Setup, source: Qemu) -> int:
    return sum(_word(source, STATE + 64 * number) for number in range(asked.vcpus))


def _word(source: Qemu, address: int) -> int:
    """Return a word of the guest's memory."""
    told = source.client.monitor(f"xp /1gx {address:#x}")
    try:
        return int(told.rpartition(":")[2].strip(), 16)
    except ValueError:
        raise QemuError(f"{_MESSAGE}: QEMU: xp tells {told.strip()[:60]!r}") from None
