"""Import Matplotlib where its folder is not writable or its configured backend is missing."""

import contextlib
import logging
import os
import sys

from dirtylab._console import note_once

_HOMELESS = (
    "is not a writable directory",
    "created a temporary cache directory",
    "mkdir -p failed",
)


def expect_matplotlib() -> None:
    """Replace Matplotlib's warnings about an unwritable folder by one line."""
    logger = logging.getLogger("matplotlib")
    if _told_in_one_line not in logger.filters:
        logger.addFilter(_told_in_one_line)


def _told_in_one_line(record: logging.LogRecord) -> bool:
    homeless = any(words in str(record.msg) for words in _HOMELESS)
    if homeless:
        note_once("Matplotlib has no folder of its own here: it makes one for each process")
    return not homeless


def load_matplotlib() -> None:
    """Import Matplotlib, whatever backend the environment names: no figure here needs one."""
    expect_matplotlib()
    if "matplotlib" in sys.modules:
        return
    backend = os.environ.pop("MPLBACKEND", None)
    try:
        import matplotlib as mpl
    finally:
        if backend is not None:
            os.environ["MPLBACKEND"] = backend
    if backend:
        with contextlib.suppress(ValueError):
            mpl.rcParams["backend"] = backend
