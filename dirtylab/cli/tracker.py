"""``dirtylab tracker``: a tracker of one's own in C, C++ or Rust: begin one, check one."""

import argparse
import pathlib

from dirtylab._console import tell


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add the command."""
    command = commands.add_parser(
        "tracker",
        help="begin or check a tracker of your own in C, C++ or Rust",
        description="A tracker keeps the contract of dirtylab.h, in one source file (.c, .cc, .rs) "
        "that is compiled on the fly, or as a shared library (.so). Once it passes its check it "
        "is measured like any other structure, by its path: dirtylab sweep --structures bitmap "
        "./mine.c; likewise compare, crossovers, lockless and soak; live and advise by --trackers. "
        "Of a library with several, ./lib.so:name is one.",
    )
    verbs = command.add_subparsers(dest="verb", required=True, metavar="VERB")
    new = verbs.add_parser("new", help="write a working example to start from")
    new.add_argument("path", metavar="FILE", help="such as mine.c, mine.cc or mine.rs")
    new.set_defaults(run=_new)
    check = verbs.add_parser("check", help="put the whole contract to it, a line a property")
    check.add_argument("path", metavar="FILE", help="source or library")
    check.set_defaults(run=_check)


def _new(arguments: argparse.Namespace) -> int:
    from dirtylab.native import example

    path = pathlib.Path(arguments.path)
    text = example(path.suffix)
    with path.open("x", encoding="utf-8") as file:  # never over a file that is there
        file.write(text)
    print(f"{path}: written; dirtylab tracker check {path} puts the contract to it")
    return 0


def _check(arguments: argparse.Namespace) -> int:
    from dirtylab.native.compiler import library_of
    from dirtylab.native.contract import check_library
    from dirtylab.native.errors import TrackerError
    from dirtylab.native.paths import split

    failed, tracker = 0, ""
    try:
        for finding in check_library(library_of(pathlib.Path(split(arguments.path)[0]))):
            if finding.tracker != tracker:
                tracker = finding.tracker
                print(tracker)
            print(f"  {finding}", flush=True)
            failed += bool(finding.broken)
    except TrackerError as error:  # a compiler's own words take several lines
        for line in str(error).splitlines():
            tell(line)
        return 1
    return 1 if failed else 0
