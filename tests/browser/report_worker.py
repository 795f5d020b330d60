"""Print how the worker process behaves beside a live view, in JupyterLab in a real Chromium.

Run by hand, on an idle machine: ``python tests/browser/report_worker.py``.  It tells when Measure
shows progress, how quick a slider is meanwhile, when Cancel has stopped, and by how much a slider
that is moved all the time shifts medians (runs alternate: still, moved, still, moved …).
"""

import pathlib
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
import labs

LABEL = "dirty"
CELLS = ((10_000_000, 1_000_000, 100), (10_000_000, 10_000, 600), (1_000_000, 1000, 1000))
"""Pages, dirty frames, rounds: milliseconds, tens of microseconds, microseconds."""
PAIRS = 3
NOTEBOOK = ["from dirtylab import explore", "explore.crossovers(rounds=35)"]
JOB = """
from dirtylab.explore.views.resources import worker
from dirtylab.explore.process.cell_job import CellJob
got = []
structures = (("list", {{}}), ("bitmap", {{}}), ("tree64", {{}}))
cells = (("random", {{}}, {pages}, {dirty}),)
worker().measure(CellJob(structures, "collect", cells, {rounds}, 7), got.append)
"""
ROWS = "[list(row) for one in got if one.kind == 'cell' for row in one.rows]"
_CLICK = """() => {
  window.clicked = 0;
  document.addEventListener('click', () => { window.clicked = performance.now(); }, true);
}"""
_SAID = """words => {
  const said = document.querySelector('.jp-OutputArea-output:has([role=slider])').innerText;
  return new RegExp(words, 'i').test(said) && performance.now() - window.clicked + 0.001;
}"""


def click_until(page, button, words):
    """Click; return the milliseconds until the view says something."""
    page.locator(f"button:has-text('{button}')").first.click()
    return page.wait_for_function(_SAID, arg=words, polling="raf").json_value()


def tell(what, milliseconds):
    p50, p95 = np.percentile(milliseconds, (50, 95))
    print(f"{what}: p50 {p50:.0f} ms, p95 {p95:.0f} ms", flush=True)


def measure_and_cancel(page, when):
    progress = click_until(page, "Measure", "measuring|starting|preparing|checking|round")
    print(f"{when}: progress after {progress:.0f} ms")
    page.wait_for_timeout(1500)
    tell(f"{when}: slider while measuring", labs.latencies(page, LABEL, count=20, pause=60))
    stopped = click_until(page, "Cancel", r"cancelled|measured \d+ points")
    print(f"{when}: stopped {stopped:.0f} ms after Cancel", flush=True)


def medians(page, size, moved):
    """Return structure to median of a job, with the slider still or moved each 60 ms."""
    pages, dirty, rounds = size
    labs.run_code(page, JOB.format(pages=pages, dirty=dirty, rounds=rounds))
    keys = labs.keys_back_and_forth(10, 5)
    while True:
        for key in keys:
            if moved:
                page.keyboard.press(key)
            page.wait_for_timeout(60)
        if labs.kernel_value(page, "bool(got) and got[-1].last"):
            break
    samples = {}
    for name, ns in labs.kernel_value(page, ROWS):
        samples.setdefault(name, []).append(ns)
    return {name: float(np.median(ns)) for name, ns in samples.items()}


def shifts(page, size):
    """Print by how much medians differ between a still slider and a moved one."""
    labs.slider(page, LABEL).focus()
    medians(page, (*size[:2], 10), moved=False)
    found = [(medians(page, size, False), medians(page, size, True)) for _ in range(PAIRS)]
    for name in found[0][0]:
        still = np.median([one[name] for one, _ in found])
        moved = np.median([one[name] for _, one in found])
        print(
            f"{size[1]:,} of {size[0]:,} pages, {name}: {still / 1000:.1f} µs, "
            f"slider moved {moved / 1000:.1f} µs ({100 * (moved / still - 1):+.1f} %)",
            flush=True,
        )


def main():
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder)
        labs.write_notebook(home / "view.ipynb", NOTEBOOK)
        with labs.lab_server(home, home) as lab, labs.chromium_page(labs.chromium_path()) as page:
            labs.open_notebook(page, lab, "view.ipynb")
            labs.run_all(page)
            page.locator(labs.PICTURE).first.wait_for()
            page.wait_for_timeout(2000)
            page.evaluate(_CLICK)
            tell("slider, nothing else running", labs.latencies(page, LABEL, count=20))
            measure_and_cancel(page, "first (starts the process)")
            page.wait_for_timeout(1000)
            measure_and_cancel(page, "second")
            for size in CELLS:
                shifts(page, size)
            labs.shut_down(page)


if __name__ == "__main__":
    main()
