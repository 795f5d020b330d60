"""The study of 2016 under its short name: see :mod:`dirtylab.studies.mailing_list`."""

import importlib

from dirtylab.studies.mailing_list import *  # noqa: F403
from dirtylab.studies.mailing_list import __all__ as __all__


def __getattr__(name: str) -> object:
    try:
        return importlib.import_module(f"dirtylab.studies.mailing_list.{name}")
    except ModuleNotFoundError:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}") from None
