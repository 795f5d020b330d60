"""Description of the machine, stored with every result."""

import datetime
import functools
import hashlib
import importlib.metadata
import os
import pathlib
import platform
import re
import subprocess
from collections.abc import Mapping
from typing import Any

from dirtylab import __version__, _check
from dirtylab._caches import cache_text
from dirtylab._format import nbytes_text
from dirtylab._reading import printable
from dirtylab.measure.processor import (
    DESKTOP_DESIGNS,
    cpuinfo,
    describe_processor,
    hypervisor,
    threads_per_core,
    vector_code,
)

PACKAGES = ("numpy", "numba", "llvmlite", "pandas", "matplotlib")
_LONGEST = 200
"""Characters of a part of a caption."""
_UNITS = {"K": 2**10, "M": 2**20, "G": 2**30}
_DESKTOP_CACHE = 64 * 2**20


@functools.cache
def describe_machine() -> dict[str, Any]:
    """Return CPU, memory, system, versions, git revision and date, ready for JSON."""
    return {
        "cpu": cpu_model(),
        "processor": describe_processor(),
        "vector_code": vector_code(),
        "cores": os.cpu_count(),
        "threads_per_core": threads_per_core(),
        "memory_gib": round(_check.physical_memory() / 2**30, 1),
        "virtual_machine": hypervisor() is not None,
        "hypervisor": hypervisor(),
        "caches": cache_sizes(),
        "transparent_hugepages": _chosen_hugepages(),
        "architecture": platform.machine(),
        "system": f"{platform.system()} {platform.release()}",
        "python": platform.python_version(),
        "packages": {name: importlib.metadata.version(name) for name in PACKAGES},
        "dirtylab": __version__,
        "git_revision": git_revision(),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


def caption(machine: Mapping[str, Any]) -> str:
    """Return a machine in one line; parts that its description lacks are left out."""
    gib, revision = machine.get("memory_gib"), machine.get("git_revision")
    packages = machine.get("packages")
    versions = packages if isinstance(packages, dict) else {}
    own = f"dirtylab {machine.get('dirtylab')}{f' ({revision})' if revision else ''}"
    told: list[list[Any]] = [
        [_cpu_text(machine), _core_text(machine),
         f"{gib:.0f} GiB" if isinstance(gib, int | float) else None, _guest_text(machine)],
        [f"{level} {_cache_text(size)}" for level, size in _data_caches(machine)],
        [cache_text(machine.get("cache"))],
        [machine.get("system")],
        [
            _after(version, before=name)
            for name, version in (
                ("Python ", machine.get("python")),
                ("NumPy ", versions.get("numpy")),
                ("Numba ", versions.get("numba")),
            )
        ],
        [own if machine.get("dirtylab") else None, str(machine.get("date") or "")[:10]],
    ]  # fmt: skip
    parts = [", ".join(printable(one)[:_LONGEST] for one in part if one) for part in told]
    return "; ".join(filter(None, parts)) or "an unknown machine"


def kind_of(machine: Mapping[str, Any]) -> str | None:
    """Return what kind of machine this is, such as ``amd-zen-4-25-17-1-avx-512-…``.

    Two machines are of one kind where core design, family, model, stepping, vector code, caches,
    cores, threads a core and hypervisor are equal: then they share captions and cost models.

    Parameters
    ----------
    machine : mapping
        As :func:`describe_machine` gives it.

    Returns
    -------
    str or None
        None where the description tells no family and model, as in recordings before version 0.2.
    """
    processor = _mapping(machine.get("processor"))
    if "family" not in processor or "model" not in processor:
        return None
    parts = [
        processor.get("vendor"),
        core_of(machine),
        *(processor.get(name) for name in ("family", "model", "stepping")),
        *_mapping(machine.get("vector_code")).values(),
        *(f"{level} {size}" for level, size in _data_caches(machine)),
        f"{machine.get('cores')} cores",
        f"{machine.get('threads_per_core') or 1} threads",
        machine.get("hypervisor") or "bare metal",
    ]
    words = " ".join(printable(part) for part in parts if part is not None).lower()
    slug = re.sub(r"[^a-z0-9.+]+", "-", words).strip("-")
    if len(slug) <= _LONGEST:
        return slug
    # Cut short, two machines could be taken for one; a digest of the whole tells them apart.
    return f"{slug[:_LONGEST]}-{hashlib.sha256(words.encode()).hexdigest()[:12]}"


def core_of(machine: Mapping[str, Any]) -> str | None:
    """Return the core design, such as ``Zen 4``; None where it is unknown or can't be true.

    A hypervisor may tell of another processor than it runs on: no desktop design has a last cache
    of 64 MiB or more.
    """
    core = _mapping(machine.get("processor")).get("core")
    if not isinstance(core, str):
        return None
    last = _bytes_of(_mapping(machine.get("caches")).get("L3"))
    belied = core in DESKTOP_DESIGNS and last is not None and last >= _DESKTOP_CACHE
    return None if belied else core


def _bytes_of(size: object) -> int | None:
    found = re.fullmatch(r"([1-9][0-9]{0,8})([KM])", str(size), re.ASCII)
    return int(found[1]) * _UNITS[found[2]] if found else None


def _cpu_text(machine: Mapping[str, Any]) -> str | None:
    """Return the product, and in brackets the core design, its numbers and the vector code."""
    processor = _mapping(machine.get("processor"))
    code = _mapping(machine.get("vector_code"))
    ours, numpys = code.get("dirtylab"), code.get("numpy")
    numbers = " ".join(
        f"{name} {processor[name]}" for name in ("family", "model", "stepping") if name in processor
    )
    inside = [core_of(machine), numbers, "no wide vectors" if ours == "baseline" else ours]
    if numpys and not str(ours).startswith(str(numpys)):
        inside.append(f"NumPy: {numpys}")
    told = ", ".join(str(part) for part in inside if part)
    name = machine.get("cpu")
    return f"{name} ({told})" if name and told else name or told or None


def _core_text(machine: Mapping[str, Any]) -> str | None:
    threads = machine.get("threads_per_core")
    shared = f" with {threads} threads each" if isinstance(threads, int) and threads > 1 else ""
    count = machine.get("cores")
    if shared and isinstance(count, int):
        return f"{count // int(threads or 1)} cores{shared}"
    return _after(count, " cores")


def _data_caches(machine: Mapping[str, Any]) -> list[tuple[str, Any]]:
    """Return level and size of the caches that hold data, the smallest first."""
    told = sorted(_mapping(machine.get("caches")).items())
    return [(str(level), size) for level, size in told if not str(level).endswith("i")]


def _cache_text(size: object) -> str:
    """Return a size of the system, such as 1024K, as 1 MiB; other text as it is."""
    known = _bytes_of(size)
    return str(size) if known is None else nbytes_text(known)


def _guest_text(machine: Mapping[str, Any]) -> str | None:
    if name := machine.get("hypervisor"):
        return f"guest of {name}" if name != "unknown" else "virtual machine"
    return "virtual machine" if machine.get("virtual_machine") else None


def _mapping(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, dict) else {}


def _after(value: Any, after: str = "", before: str = "") -> str | None:
    return None if value is None else f"{before}{value}{after}"


def alike(one: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    """Return whether two recordings are of one kind of machine, with the caches in one state.

    Only then may they stand in one figure; of recordings whose machine has no kind it is not known.
    """
    kind = kind_of(one)
    return kind is not None and kind == kind_of(other) and one.get("cache") == other.get("cache")


def cpu_model() -> str:
    """Return the CPU's name as the system gives it."""
    if platform.system() == "Darwin":
        return _run(["sysctl", "-n", "machdep.cpu.brand_string"]) or platform.processor()
    return cpuinfo().get("model name") or platform.processor() or platform.machine()


def cpu_features() -> list[str]:
    """Return the CPU's features, such as ``avx2``; none where the system does not tell."""
    return (cpuinfo().get("flags") or cpuinfo().get("Features", "")).split()


def cache_sizes() -> dict[str, str]:
    """Return the first core's caches, such as ``{"L2": "2048K"}``; empty where unknown."""
    found = {}
    for index in sorted(pathlib.Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        kind = {"Data": "d", "Instruction": "i"}.get(_read(index / "type"), "")
        found[f"L{_read(index / 'level')}{kind}"] = _read(index / "size")
    return found


def last_cache_bytes(usual: int = 32 * 2**20) -> int:
    """Return the bytes of the largest cache; `usual` where it is unknown."""
    told = [
        int(size[:-1]) * _UNITS[size[-1]]
        for size in cache_sizes().values()
        if size[:-1].isdecimal() and size[-1] in _UNITS
    ]
    return max(told, default=usual)


def git_revision() -> str | None:
    """Return the short revision of this project's checkout, ``+`` when the package has changes.

    None for an installed package, whatever repository its environment lies in.
    """
    package = pathlib.Path(__file__).resolve().parent.parent
    top, name = package.parent, package.name
    if not (top / ".git").exists() or not _is_project(top / "pyproject.toml"):
        return None
    if not _git(top, "ls-files", "--error-unmatch", "pyproject.toml", f"{name}/__init__.py"):
        return None
    revision = _git(top, "rev-parse", "--short", "HEAD")
    if not revision:
        return None
    return revision + ("+" if _git(top, "status", "--porcelain", "--", name) else "")


def _is_project(file: pathlib.Path) -> bool:
    return re.search(r'^name = "dirtylab"$', _read(file), re.MULTILINE) is not None


def _git(top: pathlib.Path, *words: str) -> str:
    """Return git's output for the repository at `top`, ignoring git's environment variables."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment["GIT_CEILING_DIRECTORIES"] = str(top.parent)
    safe = ["-c", "core.fsmonitor=false", "--no-optional-locks"]  # reads only, runs nothing
    return _run(["git", *safe, "-C", str(top), *words], environment)


def _chosen_hugepages() -> str | None:
    text = _read(pathlib.Path("/sys/kernel/mm/transparent_hugepage/enabled"))
    return text.partition("[")[2].partition("]")[0] or None


def _read(path: pathlib.Path) -> str:
    try:
        return path.read_text().strip()
    except OSError:
        return ""


def _run(command: list[str], environment: dict[str, str] | None = None) -> str:
    try:
        done = subprocess.run(
            command, capture_output=True, text=True, timeout=10, check=False, env=environment
        )
    except (OSError, subprocess.TimeoutExpired):
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""
