"""Print how quick and how steady each view is, in JupyterLab in a real Chromium.

Run by hand, on an idle machine: ``python tests/browser/report_views.py [VIEW …] [--race]``.  It
tells, for sliders of each view, the milliseconds from a key to the first frame with the new
picture; what 15 keys, 60 ms apart, do to picture and page; and, with ``--race``, whether figures
that a cell draws meanwhile come out right, with JupyterLab's own settings.
"""

import pathlib
import sys
import tempfile

import numpy as np

sys.path.insert(0, str(pathlib.Path(__file__).parent.parent))
import labs

SLIDERS = {
    "decide": {"guest": 4, "dirty": 6, "in runs of": 3},
    "crossovers": {"guest memory": 5, "dirty": 8},
    "memory": {"guest memory": 5, "radix of tree": 2, "dirty": 8},
    "anatomy": {"step": 6, "next frame": 8},
    "patterns": {"writes": 4, "guest memory": 4},
    "mailing_list": {"run": 4},
    "vcpus": {"vCPUs": 2},
    "migration": {"writes a second": 5, "working set": 4},
}
"""View to label of a slider and steps to the left before it turns back."""
BLANK = 6.0
"""Standard deviation of grey levels below which a picture is taken to be empty."""
FIGURES = """
from dirtylab.figures.anatomy import toy_picture
from dirtylab.figures.style import png_bytes
def drawn():
    return png_bytes(toy_picture().figure)
"""
PYPLOT = """
%matplotlib inline
import io
import matplotlib.pyplot as plt
def drawn():
    figure, ax = plt.subplots()
    plt.plot([1, 2, 3], [1, 4, 9])
    plt.title(r"$x^2$")
    plt.xlabel("x")
    data = io.BytesIO()
    plt.savefig(data, format="png")
    plt.close()
    return data.getvalue()
"""
ONCE = "right = drawn(); assert drawn() == right"
RACE = "wrong = [number for number in range(40) if drawn() != right]"


def tell_latency(page, view):
    for label, span in SLIDERS[view].items():
        found = labs.latencies(page, label, span=span or 5)
        p50, p95 = np.percentile(found, (50, 95))
        print(f"{view}, {label}: p50 {p50:.0f} ms, p95 {p95:.0f} ms, worst {max(found):.0f} ms",
              flush=True)  # fmt: skip


def tell_burst(page, view):
    seen, spreads = labs.burst(page, next(iter(SLIDERS[view])))
    blank = sum(not complete for complete, _ in seen)
    heights = {round(height) for _, height in seen}
    empty = sum(spread < BLANK for spread in spreads)
    print(
        f"{view}, 15 keys 60 ms apart: {blank} of {len(seen)} frames without a picture, "
        f"{empty} of {len(spreads)} screencast frames blank, heights {sorted(heights)} px",
        flush=True,
    )


def tell_race(page, view, code, what):
    """Press a slider each 60 ms while a cell draws 40 figures."""
    pid = labs.kernel_value(page, "__import__('os').getpid()")
    assert labs.run_code(page, code) == ["ok", ""]
    assert labs.run_code(page, ONCE) == ["ok", ""]
    labs.slider(page, next(iter(SLIDERS[view]))).focus()
    labs.start_code(page, RACE)
    pressed = 0
    while not page.evaluate("() => window.finished"):
        page.keyboard.press("ArrowLeft" if pressed // 8 % 2 == 0 else "ArrowRight")
        page.wait_for_timeout(60)
        pressed += 1
    status = page.evaluate("() => window.finished")
    alive = labs.kernel_value(page, "__import__('os').getpid()") == pid
    wrong = labs.kernel_value(page, "len(wrong)") if status.startswith("ok") else "?"
    print(f"{view}, race with {what}: {wrong} of 40 figures wrong, cell {status.strip()}, "
          f"kernel {'alive' if alive else 'gone'}, {pressed} keys", flush=True)  # fmt: skip


def show(page, lab, view):
    labs.open_notebook(page, lab, f"{view}.ipynb")
    labs.run_all(page)
    page.locator(labs.PICTURE).first.wait_for()
    page.wait_for_timeout(1500)
    # The first message goes to the main thread: the other one is still being made.
    labs.latencies(page, next(iter(SLIDERS[view])), count=4, span=2)


def main(words):
    views = [word for word in words if word in SLIDERS] or list(SLIDERS)
    with tempfile.TemporaryDirectory() as folder:
        home = pathlib.Path(folder)
        for view in views:
            labs.write_notebook(home / f"{view}.ipynb", [f"from dirtylab import explore\n"
                                                         f"explore.{view}()"])  # fmt: skip
        with labs.lab_server(home, home) as lab, labs.chromium_page(labs.chromium_path()) as page:
            for view in views:
                show(page, lab, view)
                if "--race" in words:
                    tell_race(page, view, FIGURES, "figures of the package")
                    tell_race(page, view, PYPLOT, "pyplot")
                else:
                    tell_latency(page, view)
                    tell_burst(page, view)
                labs.shut_down(page)


if __name__ == "__main__":
    main(sys.argv[1:])
