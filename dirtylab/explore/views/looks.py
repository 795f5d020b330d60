"""How the views draw structures: the looks of all figures, and one for the tree with a slider."""

from dirtylab.figures.style import LOOKS, SLIDER_COLOR, Look, look_of
from dirtylab.structures import is_posted


def look(name: str, radix: int) -> Look:
    """Return how a structure is drawn."""
    if name == "tree":
        return Look(f"tree, radix {radix}", SLIDER_COLOR, LOOKS["tree64"].marker)
    found = look_of(name)
    label = found.label.removesuffix(", posted")
    return found._replace(label=f"posted {label}" if is_posted(name) else label)
