"""Each notebook opened, run and looked at in JupyterLab; a slider of each view moved."""

from pathlib import Path

import pytest
from labs import IDLE, cells_of, open_notebook, run_all, shut_down
from slow import further

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parent.parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
COUNTS = """() => {
  const cells = window.jupyterapp.shell.currentWidget.content.model.cells;
  return [...Array(cells.length).keys()].map(i => cells.get(i))
    .filter(cell => cell.type === 'code').map(cell => cell.executionCount);
}"""
OUTPUTS = """() => {
  const cells = window.jupyterapp.shell.currentWidget.content.model.cells;
  return [...Array(cells.length).keys()].map(i => cells.get(i))
    .filter(cell => cell.type === 'code').flatMap(cell => cell.outputs.toJSON());
}"""
OPEN = "() => window.jupyterapp?.shell?.currentWidget?.context?.path"
BACK = "path => { window.jupyterapp.commands.execute('docmanager:open', {path}); }"
"""Returns nothing: what the command returns takes 10 s to be sent."""
WIDGET = "application/vnd.jupyter.widget-view+json"
LONG = ("01", "03", "05", "06", "09")
"""Numbers of notebooks that measure, or simulate, for half a minute."""
QUICK = [path for path in NOTEBOOKS if not path.stem.startswith(LONG)]
EVERY_NOTEBOOK = pytest.mark.parametrize(
    "path",
    [*QUICK, *further(*[path for path in NOTEBOOKS if path not in QUICK])],
    ids=lambda path: path.stem,
)


def committed(path):
    """Return how many pictures a committed notebook has, views among them."""
    found = [one.get("data", {}) for cell in cells_of(path) for one in cell.get("outputs", [])]
    return sum("image/png" in data for data in found)


def restart_and_run_all(page):
    """Clear everything and run each cell; return when the last one is done."""
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    assert set(page.evaluate(COUNTS)) == {None}
    run_all(page)
    done = f"() => (({COUNTS})()).every(count => count !== null) && ({IDLE})()"
    page.wait_for_function(done, timeout=120_000)


@EVERY_NOTEBOOK
def test_notebook_runs_and_shows_its_figures(path, lab, page, screenshots, require_lively):
    crashes = []
    page.on("pageerror", lambda error: crashes.append(str(error)))
    open_notebook(page, lab, path.name)
    restart_and_run_all(page)
    found = page.evaluate(OUTPUTS)
    assert [one for one in found if one["output_type"] == "error"] == []
    assert [one for one in found if one.get("name") == "stderr"] == []
    views = [one for one in found if WIDGET in one.get("data", {})]
    every = sum("image/png" in one.get("data", {}) for one in found)
    assert every == committed(path)
    pictures = every - len(views)  # a view's still stands beside it, unseen
    images = page.locator(".jp-RenderedHTMLCommon figure img:visible")
    for index in range(pictures):
        image = images.nth(index)
        image.scroll_into_view_if_needed()
        assert image.evaluate("image => image.complete && image.naturalWidth") >= 400
        assert len(image.get_attribute("alt")) > 60
    page.screenshot(path=screenshots / "figures.png")
    moved = require_lively(page, screenshots)
    assert moved == len(views)
    assert pictures + moved >= (1 if path.stem.startswith("00") else 3)
    assert [one for one in page.evaluate(OUTPUTS) if one.get("name") == "stderr"] == []
    assert crashes == []
    shut_down(page)


def test_lab_opens_on_the_start_page_and_its_links_lead_to_the_notebooks(lab, page):
    start = "00_start_here.ipynb"
    others = [path.name for path in NOTEBOOKS if path.name != start]
    page.goto(f"{lab}/?reset")
    for name in others:
        page.wait_for_function(f"() => ({OPEN})() === '{start}'")
        page.locator(f".jp-RenderedMarkdown a[href*='{name}']:visible").first.click()
        page.wait_for_function(f"() => ({OPEN})() === '{name}'")
        page.evaluate(BACK, start)
    page.evaluate("() => window.jupyterapp.serviceManager.sessions.shutdownAll()")
