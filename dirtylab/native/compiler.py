"""A tracker's source becomes a shared library: compiled once, kept in the user's cache.

The library's name in the cache is a digest of source, headers, compiler, flags and processor, so a
change of any of them compiles anew, and two processes may compile at once.
"""

import atexit
import functools
import hashlib
import os
import pathlib
import re
import shutil
import subprocess
import tempfile
from typing import NamedTuple

from dirtylab.native.errors import TrackerError
from dirtylab.native.paths import LIBRARIES, SUFFIXES

INCLUDE = pathlib.Path(__file__).parent / "include"
"""The folder of ``dirtylab.h`` and ``dirtylab.rs``."""

TIME_LIMIT_S = 300
_OWN_INCLUDE = re.compile(r'^\s*#\s*include\s*"(?!dirtylab\.h")', re.MULTILINE)


class Language(NamedTuple):
    """How a source is compiled."""

    variable: str  # environment variable that names the compiler
    compilers: tuple[str, ...]
    flags: tuple[str, ...]


_C_FLAGS = (
    "-O3", "-march=native", "-fPIC", "-shared", "-pthread", "-Wall", "-Wl,-z,defs", f"-I{INCLUDE}",
)  # fmt: skip
_RUST_FLAGS = (
    "--edition=2021", "--crate-type=cdylib", "-Copt-level=3", "-Ctarget-cpu=native",
    "-Clink-arg=-Wl,-z,defs",
)  # fmt: skip
_CXX = Language("CXX", ("c++", "g++", "clang++"), ("-std=c++17", *_C_FLAGS))
LANGUAGES = {
    ".c": Language("CC", ("cc", "gcc", "clang"), ("-std=gnu11", *_C_FLAGS)),
    ".cc": _CXX,
    ".cpp": _CXX,
    ".cxx": _CXX,
    ".rs": Language("RUSTC", ("rustc",), _RUST_FLAGS),
}


def library_of(path: pathlib.Path) -> pathlib.Path:
    """Return the shared library of a tracker: itself, or what its source compiles to.

    Parameters
    ----------
    path : pathlib.Path
        A library (``.so``), or one source file (``.c``, ``.cc``, ``.cpp``, ``.cxx``, ``.rs``).

    Returns
    -------
    pathlib.Path
        Absolute.

    Raises
    ------
    TrackerError
        Another kind of file, no compiler, or the compiler refused it: its text is the message's.
    FileNotFoundError
        There is no such file.

    Notes
    -----
    Cost: 0.1 s for a short C file the first time, 1 ms afterwards.
    """
    place = path.absolute()
    if place.suffix not in SUFFIXES:
        raise TrackerError(f"{path}: must end in {', '.join(SUFFIXES)}")
    if not place.is_file():
        raise FileNotFoundError(f"{path}: no such file")
    if place.suffix in LIBRARIES:
        return place
    language = LANGUAGES[place.suffix]
    compiler = find_compiler(language, path)
    built = cache_folder() / f"{place.stem}-{_digest(place, language, compiler)}.so"
    if not built.exists():
        compile_into(place, language, compiler, built)
    return built


def find_compiler(language: Language, path: pathlib.Path) -> list[str]:
    """Return the compiler's command: that of the environment variable, else the first found."""
    named = os.environ.get(language.variable, "").split()
    for words in [named] if named else [[one] for one in language.compilers]:
        if found := shutil.which(words[0]):
            return [found, *words[1:]]
    wanted = " or ".join([language.variable, *language.compilers])
    raise TrackerError(f"{path}: no compiler found ({wanted}); install one or give a library (.so)")


@functools.cache
def cache_folder() -> pathlib.Path:
    """Return the folder of compiled trackers: in the user's cache, else one for this process."""
    base = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    folder = pathlib.Path(base) / "dirtylab" / "native"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=folder):
            return folder
    except OSError:
        own = pathlib.Path(tempfile.mkdtemp(prefix="dirtylab-"))
        atexit.register(shutil.rmtree, own, ignore_errors=True)
        return own


def _digest(source: pathlib.Path, language: Language, compiler: list[str]) -> str:
    state = os.stat(compiler[0])
    parts: list[bytes] = [
        *(header.read_bytes() for header in sorted(INCLUDE.iterdir())),
        expanded(source),
        repr((compiler, state.st_size, state.st_mtime_ns, language.flags)).encode(),
        ",".join(host_features()).encode(),  # of -march=native
    ]
    return hashlib.sha256(b"\0".join(parts)).hexdigest()[:20]


def host_features() -> list[str]:
    """Return what this machine's processor has beyond the least, such as ``avx512f``."""
    from llvmlite.binding import get_host_cpu_features

    return sorted(name for name, has in get_host_cpu_features().items() if has)


def expanded(source: pathlib.Path) -> bytes:
    """Return a source's text; where it includes files of its own, with those."""
    text, language = source.read_bytes(), LANGUAGES[source.suffix]
    if source.suffix == ".rs" or not _OWN_INCLUDE.search(text.decode(errors="replace")):
        return text
    flags = [flag for flag in language.flags if not flag.startswith("-Wl") and flag != "-shared"]
    words = [*find_compiler(language, source), *flags, "-E", "-P", str(source)]
    done = subprocess.run(words, capture_output=True, timeout=TIME_LIMIT_S)
    return text + done.stdout  # a failure is told when it is compiled


def compile_into(
    source: pathlib.Path, language: Language, compiler: list[str], built: pathlib.Path
) -> None:
    """Compile a source to a library that is there whole or not at all."""
    with tempfile.TemporaryDirectory(dir=built.parent, prefix=".building-") as folder:
        made = pathlib.Path(folder) / built.name
        words = [*compiler, *language.flags, str(source), "-o", str(made)]
        done = subprocess.run(
            words,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=TIME_LIMIT_S,
            env={**os.environ, "DIRTYLAB_INCLUDE": str(INCLUDE)},
        )
        if done.returncode or not made.exists():
            said = (done.stderr + done.stdout).strip()
            raise TrackerError(f"{source.name}: {' '.join(compiler)} refused it\n{said}")
        made.replace(built)
