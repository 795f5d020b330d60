"""Each notebook opened, run and looked at in JupyterLab."""

from pathlib import Path

import pytest

pytestmark = pytest.mark.browser

ROOT = Path(__file__).parent.parent.parent
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
IDLE = (
    "() => window.jupyterapp?.shell?.currentWidget?.sessionContext?.session?.kernel?.status"
    " === 'idle'"
)
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


def open_notebook(page, lab, name):
    page.goto(f"{lab}/doc/workspaces/auto-test/tree/{name}?reset")
    page.wait_for_function(IDLE)


def restart_and_run_all(page):
    """Clear everything and run each cell; return when the last one is done."""
    run = "() => { window.jupyterapp.commands.execute('notebook:run-all-cells'); }"
    page.evaluate("() => window.jupyterapp.commands.execute('notebook:clear-all-cell-outputs')")
    assert set(page.evaluate(COUNTS)) == {None}
    page.evaluate(run)
    done = f"() => (({COUNTS})()).every(count => count !== null) && ({IDLE})()"
    page.wait_for_function(done, timeout=120_000)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs_and_shows_its_figures(path, lab, page, request):
    crashes = []
    page.on("pageerror", lambda error: crashes.append(str(error)))
    open_notebook(page, lab, path.name)
    restart_and_run_all(page)
    found = page.evaluate(OUTPUTS)
    assert [one for one in found if one["output_type"] == "error"] == []
    assert [one for one in found if one.get("name") == "stderr"] == []
    expected = sum("image/png" in one.get("data", {}) for one in found)
    images = page.locator(".jp-OutputArea-output figure img")
    for index in range(expected):
        image = images.nth(index)
        image.scroll_into_view_if_needed()
        assert image.evaluate("image => image.complete && image.naturalWidth") >= 400
        assert len(image.get_attribute("alt")) > 60
        folder = ROOT / "screenshots" / path.stem
        folder.mkdir(parents=True, exist_ok=True)
        page.screenshot(path=folder / f"figure-{index + 1}.png")
    assert expected >= 3
    assert crashes == []
