"""Where files are: recorded data beside the package or in ``data/`` of a checkout, and a cache."""

import os
import pathlib

_PACKAGE = pathlib.Path(__file__).parent


def data_file(name: str) -> pathlib.Path:
    """Return the path of a shipped file, such as ``"posted_2016.csv"``.

    Raises
    ------
    FileNotFoundError
        It is in neither place.
    """
    places = [_PACKAGE / "_data" / name, _PACKAGE.parent / "data" / name]
    for place in places:
        if place.exists():
            return place
    raise FileNotFoundError(f"{name}: not among the data shipped with dirtylab")


def user_cache() -> pathlib.Path | None:
    """Return the package's folder among the user's caches, or None for a user without a home."""
    try:
        base = os.environ.get("XDG_CACHE_HOME") or pathlib.Path.home() / ".cache"
    except RuntimeError:
        return None
    return pathlib.Path(base) / "dirtylab"
