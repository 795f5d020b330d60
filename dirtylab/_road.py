"""Write where each notebook stands, and links to its neighbours: ``python -m dirtylab._road``.

The order is that of the files' names, so a new notebook needs nothing but a number.  Outputs stay.
"""

import pathlib
import re

import nbformat

NOTEBOOKS = pathlib.Path("notebooks")
_TOP = re.compile(r"\n\n<!-- road -->.*?(?=\n\n|\Z)", re.DOTALL)
_END = re.compile(r"(\n\n)?<!-- on -->.*\Z", re.DOTALL)


def title_of(book: nbformat.NotebookNode) -> str:
    """Return a notebook's first heading."""
    return str(book.cells[0].source.partition("\n")[0].removeprefix("# "))


def top_line(titles: dict[str, str], name: str) -> str:
    """Return the line below a notebook's heading."""
    names = list(titles)
    place = names.index(name)
    parts = [
        f"Notebook {place} of {len(names) - 1}."
        if place
        else f"Start page of {len(names)} notebooks."
    ]
    if place:
        parts.append(f"Before: [{titles[names[place - 1]]}]({names[place - 1]}).")
    if place + 1 < len(names):
        parts.append(f"After: [{titles[names[place + 1]]}]({names[place + 1]}).")
    return f"<!-- road -->*{' '.join(parts)}*"


def end_line(titles: dict[str, str], name: str) -> str:
    """Return a notebook's last line."""
    names = list(titles)
    place = names.index(name)
    if place + 1 < len(names):
        return f"<!-- on -->*Next: [{titles[names[place + 1]]}]({names[place + 1]}).*"
    return f"<!-- on -->*This is the last; [{titles[names[0]]}]({names[0]}) lists all.*"


def with_road(book: nbformat.NotebookNode, titles: dict[str, str], name: str) -> None:
    """Write both lines into a notebook; where it ends in code, into a cell of its own."""
    first = book.cells[0]
    heading, _, rest = _TOP.sub("", first.source).partition("\n")
    first.source = f"{heading}\n\n{top_line(titles, name)}\n{rest}".rstrip()
    last = book.cells[-1]
    if last.cell_type != "markdown":
        last = nbformat.v4.new_markdown_cell("", id=f"on-{name[:2]}")
        book.cells.append(last)
    kept = _END.sub("", last.source)
    last.source = f"{kept}\n\n{end_line(titles, name)}".lstrip()


def read_all(folder: pathlib.Path) -> dict[str, nbformat.NotebookNode]:
    """Return all notebooks by their names, in the order of the road."""
    paths = sorted(folder.glob("*.ipynb"))
    return {path.name: nbformat.read(path, as_version=4) for path in paths}


def main(folder: pathlib.Path = NOTEBOOKS) -> None:
    """Write the road into all notebooks."""
    books = read_all(folder)
    titles = {name: title_of(book) for name, book in books.items()}
    for name, book in books.items():
        with_road(book, titles, name)
        nbformat.write(book, folder / name)


if __name__ == "__main__":
    main()
