"""Where the recorded data are: beside the package in a wheel, in ``data/`` of a checkout."""

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
