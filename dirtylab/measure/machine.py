"""Description of the machine, stored with every result."""

import datetime
import functools
import importlib.metadata
import os
import pathlib
import platform
import re
import subprocess
from collections.abc import Mapping
from typing import Any

from dirtylab import __version__, _check
from dirtylab._reading import printable

PACKAGES = ("numpy", "numba", "llvmlite", "pandas", "matplotlib")
_LONGEST = 200
"""Characters of a part of a caption."""


@functools.cache
def describe_machine() -> dict[str, Any]:
    """Return CPU, memory, system, versions, git revision and date, ready for JSON."""
    return {
        "cpu": cpu_model(),
        "cores": os.cpu_count(),
        "memory_gib": round(_check.physical_memory() / 2**30, 1),
        "virtual_machine": "hypervisor" in _cpuinfo("flags").split(),
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
    size = f"{gib:.0f} GiB" if isinstance(gib, int | float) else None
    if machine.get("virtual_machine"):
        size = f"{size}, virtual machine" if size else "virtual machine"
    own = f"dirtylab {machine.get('dirtylab')}{f' ({revision})' if revision else ''}"
    told = [
        [machine.get("cpu"), _after(machine.get("cores"), " cores"), size],
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
    ]
    parts = [", ".join(printable(one)[:_LONGEST] for one in part if one) for part in told]
    return "; ".join(filter(None, parts)) or "an unknown machine"


def _after(value: Any, after: str = "", before: str = "") -> str | None:
    return None if value is None else f"{before}{value}{after}"


def cpu_model() -> str:
    """Return the CPU's name as the system gives it."""
    if platform.system() == "Darwin":
        return _run(["sysctl", "-n", "machdep.cpu.brand_string"]) or platform.processor()
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def cpu_features() -> list[str]:
    """Return the the CPU's features, such as ``avx2``; none where the system does not tell."""
    return (_cpuinfo("flags") or _cpuinfo("Features")).split()


def cache_sizes() -> dict[str, str]:
    """Return the first core's caches, such as ``{"L2": "2048K"}``; empty where unknown."""
    found = {}
    for index in sorted(pathlib.Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        kind = {"Data": "d", "Instruction": "i"}.get(_read(index / "type"), "")
        found[f"L{_read(index / 'level')}{kind}"] = _read(index / "size")
    return found


def last_cache_bytes(usual: int = 32 * 2**20) -> int:
    """Return the bytes of the largest cache; `usual` where it is unknown."""
    units = {"K": 2**10, "M": 2**20, "G": 2**30}
    told = [
        int(size[:-1]) * units[size[-1]]
        for size in cache_sizes().values()
        if size[:-1].isdecimal() and size[-1] in units
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


def _cpuinfo(key: str) -> str:
    for line in _read(pathlib.Path("/proc/cpuinfo")).splitlines():
        name, _, value = line.partition(":")
        if name.strip() == key:
            return value.strip()
    return ""


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
