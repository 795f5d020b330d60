"""Builds peers: a shim and the sources that it wraps become a library, once, in the user's cache.

Its name there is a digest of all that it was made of, so what has changed is built anew.
"""

import hashlib
import json
import os
import pathlib
import tempfile
from typing import Any, NamedTuple

from dirtylab.native import compiler
from dirtylab.native.errors import TrackerError
from dirtylab.native.peers import sources
from dirtylab.native.peers.recipes import Peer, peer

SHIMS = pathlib.Path(__file__).parent / "shims"


class State(NamedTuple):
    """How far a peer is."""

    library: pathlib.Path | None
    """None where it is not built."""
    own: str
    """The user's own folder of sources that it was built from, "" for the checked ones."""
    missing: str
    """What building it lacks, "" for nothing that is known."""


def state(name: str) -> State:
    """Return whether a peer is built, and what is missing otherwise."""
    one = peer(name)
    told = _noted(one)
    if told and (library := sources.folder() / str(told["library"])).is_file():
        own, place = str(told["own"]), told["place"]
        if library.name == _file_name(one, pathlib.Path(place), str(told["digest"])):
            return State(library, own, "")
    return State(None, "", _missing(one))


def library(name: str) -> pathlib.Path:
    """Return the library of a peer that is built.

    Raises
    ------
    TrackerError
        There is no such peer, or it is not built; how to is said.
    """
    found = state(name).library
    if found is None:
        raise TrackerError(f"peer:{name}: is not built; dirtylab peers build {name} builds it")
    return found


def build(name: str, source: pathlib.Path | None = None) -> pathlib.Path:
    """Build a peer, unless it is built already; return its library.

    Parameters
    ----------
    name : str
        One of :data:`~dirtylab.native.peers.recipes.PEERS`.
    source : pathlib.Path, optional
        A folder with the sources, unpacked, taken unchecked; they are fetched when omitted.

    Raises
    ------
    TrackerError
        Sources can't be had or are not those that were checked, or the compiler refused them.

    Notes
    -----
    Cost: 1 s for a short shim, 10 s for CRoaring; 20 ms where it is built already.
    """
    one = peer(name)
    if source is None and (done := state(name)).library and not done.own:
        return done.library
    if lacks := _lacks_features(one):
        raise TrackerError(f"{name}: {lacks}")
    place, digest = _sources(one, source)
    built = sources.folder() / _file_name(one, place, digest)
    if not built.exists():
        _compile(one, place, built)
    own = str(source.absolute()) if source else ""
    _note(one, {"library": built.name, "own": own, "place": str(place), "digest": digest})
    return built


def _compile(one: Peer, place: pathlib.Path, built: pathlib.Path) -> None:
    """Compile the shim, with the files that stand beside it where there are any."""
    language = _language(one, place)
    command = compiler.find_compiler(language, SHIMS / one.shim)
    with tempfile.TemporaryDirectory(dir=built.parent, prefix=".beside-") as name:
        shim = SHIMS / one.shim
        if one.beside:
            shim = pathlib.Path(name) / one.shim
            shim.write_bytes((SHIMS / one.shim).read_bytes())
        for file in one.beside:
            text = (place / file).read_text(encoding="utf-8")
            if one.patch[0] not in text:
                raise TrackerError(f"{one.name}: {file}: has no {one.patch[0]!r} to change")
            changed = text.replace(*one.patch) if one.patch[0] else text
            (pathlib.Path(name) / pathlib.Path(file).name).write_text(changed, encoding="utf-8")
        compiler.compile_into(shim, language, command, built)


def _sources(one: Peer, own: pathlib.Path | None) -> tuple[pathlib.Path, str]:
    """Return the folder of sources, and their digest; of a peer without any, the shims and ""."""
    if one.source is None:
        if own is not None:
            raise TrackerError(f"{one.name}: needs no sources; leave --source out")
        return SHIMS, ""
    if own is not None:
        return own.absolute(), sources.digest_of(own, one.source.files)
    if lacks := sources.missing(one.source):
        raise TrackerError(f"{one.name}: {lacks}")
    return sources.fetched(one.source), one.source.digest


def _missing(one: Peer) -> str:
    if lacks := _lacks_features(one):
        return lacks
    language = compiler.LANGUAGES[pathlib.Path(one.shim).suffix]
    try:
        compiler.find_compiler(language, pathlib.Path(one.shim))
    except TrackerError:
        return f"no compiler ({' or '.join(language.compilers)})"
    if one.source is None or sources.there(one.source):
        return ""
    return sources.missing(one.source)


def _lacks_features(one: Peer) -> str:
    lacking = sorted(set(one.features) - set(compiler.host_features()))
    return f"this processor has no {', '.join(lacking)}" if lacking else ""


def _language(one: Peer, place: pathlib.Path) -> compiler.Language:
    usual = compiler.LANGUAGES[pathlib.Path(one.shim).suffix]
    own = tuple(
        flag.replace("{source}", str(place)).replace("{shims}", str(SHIMS)) for flag in one.flags
    )
    return usual._replace(flags=(*usual.flags, *own))


def _file_name(one: Peer, place: pathlib.Path, digest: str) -> str:
    language = _language(one, place)
    shim = SHIMS / one.shim
    try:
        command = compiler.find_compiler(language, shim)
    except TrackerError:
        return ""
    told = os.stat(command[0])
    parts = [
        *(file.read_bytes() for file in sorted(SHIMS.rglob("*.*"))),  # one includes another
        *(header.read_bytes() for header in sorted(compiler.INCLUDE.iterdir())),
        repr((command, told.st_size, told.st_mtime_ns, language.flags)).encode(),
        repr((digest, one.patch, one.shim)).encode(),
        " ".join(compiler.host_features()).encode(),  # of -march=native
    ]
    return f"{one.name}-{hashlib.sha256(b'|'.join(parts)).hexdigest()[:20]}.so"


def _noted(one: Peer) -> dict[str, Any]:
    try:
        told = json.loads((sources.folder() / f"{one.name}.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    wanted = {"library", "own", "place", "digest"}
    return told if isinstance(told, dict) and wanted <= told.keys() else {}


def _note(one: Peer, told: dict[str, str]) -> None:
    place = sources.folder() / f"{one.name}.json"
    part = place.with_name(f".{place.name}.{os.getpid()}")
    part.write_text(json.dumps(told), encoding="utf-8")
    part.replace(place)
