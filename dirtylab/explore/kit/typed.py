"""What is typed beside a slider, read by the one grammar of quantities."""

import re
from typing import Any

from dirtylab._units import parse_count, parse_frames, parse_number, parse_pages
from dirtylab.explore.kit.controls import Slider


def typed(slider: Slider, text: str, pages: int | None = None) -> Any:
    """Return the value that text beside a slider stands for.

    Parameters
    ----------
    slider : Slider
        As it stands; its steps tell what is a whole number, and the least and the greatest value.
    text : str
        A quantity such as ``64GiB``, ``1%`` or ``10M``, or what the slider shows, edited.
    pages : int, optional
        Size of the slot, of which a share of dirty frames is taken.

    Raises
    ------
    ValueError
        It can't be used; the slider, the text and what is allowed are named.
    """
    for step in slider.steps:
        if text.strip() == slider.shown(step):
            return step
    words = _without_unit(_edited(text, slider.shown(slider.value)), slider.shown(slider.value))
    low, high = min(slider.steps), max(slider.steps)
    if slider.read is not None:
        return slider.read(text)
    if not all(isinstance(step, int) for step in slider.steps):
        return _real(slider.name, words, low, high)
    if slider.name == "dirty" and pages is not None:
        return parse_count("dirty", parse_frames("dirty", words, pages), low, high)
    if "page" in slider.shown(high) or slider.name == "pages":
        return parse_pages(slider.name, words, low, high)
    return parse_count(slider.name, words, low, high)


def _real(name: str, text: str, low: float, high: float) -> float:
    value = parse_number(text)
    if value is None or not low <= value <= high:
        raise ValueError(f"{name}={text!r}: must be {low:g} … {high:g}, such as {high / 2:g}")
    return float(value)


def _edited(text: str, shown: str) -> str:
    """Return the side of ``10 M = 38.1 GiB`` that was edited."""
    left, sign, right = map(str.strip, text.partition("="))
    before, _, after = map(str.strip, shown.partition("="))
    if not sign or (left != before and right != after):
        return text
    return right if left == before else left


def _without_unit(text: str, shown: str) -> str:
    """Return text without the words after a number, such as ``bits``, that the slider shows."""
    unit = re.sub(r"^[\d.,]+ ?(?:[kMG]\b)?(?:%)?", "", shown).strip()
    return text.strip().removesuffix(unit).strip() if unit.isascii() and unit else text.strip()
