"""How the views draw structures: the looks of all figures, and one for the tree with a slider."""

from dirtylab.figures.style import LOOKS, Look

SLIDER_COLOR = "#117733"
"""Of the tree whose radix has a slider."""


def look(name: str, radix: int) -> Look:
    """Return how a structure is drawn; one without a look of its own gets a plain one."""
    if name == "tree":
        return Look(f"tree, radix {radix}", SLIDER_COLOR, LOOKS["tree64"].marker)
    if name.startswith("posted-"):
        return LOOKS[name]._replace(label=f"posted {LOOKS[name].label}")
    return LOOKS.get(name, Look(name, "#555555", "d"))
