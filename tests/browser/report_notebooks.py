"""Print how long each notebook takes: run all, cold and warm, and as a page of Voila.

Run by hand, on an idle machine: ``python tests/browser/report_notebooks.py [NAME …]``.  Cold means
empty caches of Numba and Matplotlib.
"""

import pathlib
import re
import sys
import tempfile
import time

import nbclient
import nbformat
import pytest

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
import labs

ROOT = pathlib.Path(__file__).parent.parent.parent
SLIDER_OR_FIGURE = "[role=slider], figure img"


def seconds_to_run(path):
    """Return the seconds of starting a kernel and running every cell."""
    notebook = nbformat.read(path, as_version=4)
    where = {"metadata": {"path": path.parent}}
    client = nbclient.NotebookClient(notebook, kernel_name="python3", timeout=200, resources=where)
    begin = time.monotonic()
    client.execute()
    return time.monotonic() - begin


def cold_and_warm(path):
    with tempfile.TemporaryDirectory() as caches, pytest.MonkeyPatch.context() as patch:
        patch.setenv("NUMBA_CACHE_DIR", f"{caches}/numba")
        patch.setenv("MPLCONFIGDIR", f"{caches}/matplotlib")
        return seconds_to_run(path), seconds_to_run(path)


def seconds_to_see(page, address):
    """Return the seconds from asking for a page of Voila to its first slider or figure."""
    begin = time.monotonic()
    page.goto(address, timeout=120_000)
    page.locator(SLIDER_OR_FIGURE).first.wait_for()
    return time.monotonic() - begin


def main(names):
    paths = sorted((ROOT / "notebooks").glob("*.ipynb"))
    paths = [path for path in paths if not names or path.stem in names]
    for path in paths:
        print("{}: run all {:.1f} s cold, {:.1f} s warm".format(path.stem, *cold_and_warm(path)))
    options = re.search(r"^VOILA := (.*)", (ROOT / "Makefile").read_text(), re.MULTILINE)[1].split()
    with (
        tempfile.TemporaryDirectory() as home,
        labs.server("voila", [*options, ROOT / "notebooks"], pathlib.Path(home), "/") as voila,
        labs.chromium_page(labs.chromium_path()) as page,
    ):
        for path in paths:
            address = f"{voila}/voila/render/{path.name}"
            print(f"{path.stem}: Voila page to slider {seconds_to_see(page, address):.1f} s")


if __name__ == "__main__":
    main(sys.argv[1:])
