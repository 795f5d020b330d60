"""``dirtylab radix-tree``: the posted program, as it was called in 2016."""

import argparse

from dirtylab._console import announced_compilation, tell
from dirtylab._units import frames_of
from dirtylab.cli.arguments import amount, pages


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    command = commands.add_parser(
        "radix-tree",
        help="the posted program: four lines for one size and count",
        description="Run the program posted in 2016 as it ran: each structure timed once, cold, "
        "the list first; then its four lines: sizes, and for [l]ist, [t]ree and [b]itmap the time "
        "to compact them into a list. In brackets: the three times in units of the line's own.",
    )
    command.add_argument("pages", type=_size, metavar="SIZE", help="pages of the slot")
    command.add_argument("dirty", type=amount, metavar="COUNT", help="frames to mark dirty")
    command.add_argument(
        "order", nargs="?", choices=["seq"], metavar="seq", help="mark 0, 1, 2, … not random frames"
    )
    command.set_defaults(run=_run)


def _size(text: str) -> int:
    number = pages(text)
    if number <= 8 or number % 8:
        trouble = "crashes" if number <= 8 else "writes past the end of its memory"
        raise argparse.ArgumentTypeError(
            f"{text}: the posted program {trouble} here; give a multiple of 8 above 8"
        )
    return number


def _run(arguments: argparse.Namespace) -> int:
    from dirtylab.structures import PostedTree
    from dirtylab.studies.mailing_list.program import Arena, compile_loops, printed, run_once

    order = "sequential" if arguments.order else "random"
    with announced_compilation():
        compile_loops()
    dirty = frames_of(arguments.dirty, arguments.pages)
    arena = Arena.build(arguments.pages, dirty, order)
    if lost := PostedTree(arguments.pages).lost:
        tell(f"note: at this SIZE the posted tree loses frames {lost.start} … {lost.stop - 1}")
    print(printed(arguments.pages, dirty, run_once(arena)))
    return 0
