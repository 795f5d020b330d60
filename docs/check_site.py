"""Check a built site, offline: links and anchors lead somewhere, and each public name is found.

``python docs/check_site.py FOLDER`` prints what is wrong, a line each, and then fails.
"""

import sys
import types
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit


class Page(HTMLParser):
    """What a page links to, and the places in it that can be linked to."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.places: set[str] = set()
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep links and places."""
        for name, value in attrs:
            if name in ("href", "src") and value:
                self.links.add(value)
            elif name in ("id", "name") and value:
                self.places.add(value)


def broken_links(folder: Path) -> Iterator[str]:
    """Yield each link of a site's pages that leads nowhere in it; links to elsewhere are not asked.

    A link to a folder leads to its index.html, as a server has it.
    """
    paths = [path for path in sorted(folder.rglob("*.html")) if "_static" not in path.parts]
    pages = {path: Page(path.read_text(encoding="utf-8")) for path in paths}
    for path, page in pages.items():
        for link in sorted(page.links):
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path.resolve()
            target = target / "index.html" if target.is_dir() else target
            where = path.relative_to(folder)
            if not target.exists():
                yield f"{where}: {link} is not there"
            elif parts.fragment and target.suffix == ".html":
                places = pages[folder / target.relative_to(folder.resolve())].places
                if unquote(parts.fragment) not in places:
                    yield f"{where}: {link} has no such place"


def public_names() -> list[str]:
    """Return the names of the package and of its rooms that say what is public."""
    import dirtylab

    names = []
    for name in dirtylab.__all__:
        names.append(f"dirtylab.{name}")
        room = getattr(dirtylab, name)
        if isinstance(room, types.ModuleType):
            names += [f"dirtylab.{name}.{own}" for own in getattr(room, "__all__", ())]
    return names


def found_names(inventory: Path) -> set[str]:
    """Return the names of Python that a site's search knows."""
    _, _, _, _, packed = inventory.read_bytes().split(b"\n", 4)
    lines = zlib.decompress(packed).decode().splitlines()
    return {name for name, kind, *_ in map(str.split, lines) if kind.startswith("py:")}


def main(folder: Path) -> int:
    """Print what is wrong with a site; return 1 where something is."""
    wrong = list(broken_links(folder))
    missing = set(public_names()) - found_names(folder / "objects.inv")
    wrong += [f"{name}: is public, and not in the reference" for name in sorted(missing)]
    sys.stdout.write("".join(f"{one}\n" for one in wrong))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
