"""Notebooks: committed executed and clean, and they run from top to bottom."""

import re
from pathlib import Path

import nbclient
import nbformat
import pytest
from labs import chromium_path

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))

every_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def outputs(notebook):
    for cell in notebook.cells:
        yield from cell.get("outputs", [])


def require_clean(notebook):
    for output in outputs(notebook):
        assert output.output_type != "error", output
        assert output.get("name") != "stderr", output.get("text")


def pictures(notebook):
    return [output for output in outputs(notebook) if "image/png" in output.get("data", {})]


def test_the_start_page_leads_to_every_notebook_and_nowhere_else():
    cells = nbformat.read(NOTEBOOKS[0], as_version=4).cells
    text = "\n".join(cell.source for cell in cells if cell.cell_type == "markdown")
    links = re.findall(r"\]\(([^)]+\.ipynb)\)", text)
    assert NOTEBOOKS[0].name == "00_start_here.ipynb"
    assert sorted(links) == [path.name for path in NOTEBOOKS[1:]]


@every_notebook
def test_committed_notebook_is_executed_clean_and_short(path):
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert len(notebook.cells) <= 30
    assert [cell.execution_count for cell in code] == list(range(1, len(code) + 1))
    assert notebook.metadata.kernelspec.name == "python3"
    assert "widgets" not in notebook.metadata
    require_clean(notebook)
    assert not re.search(r'"/(home|root|tmp|work|usr)/', path.read_text())
    for cell in code:
        assert not re.search(r"^\s*(def|class|for|while|if) ", cell.source, re.MULTILINE)


@every_notebook
def test_every_picture_has_alt_text(path):
    found = pictures(nbformat.read(path, as_version=4))
    assert found
    for output in found:
        alt = re.search(r'<img alt="([^"]+)"', output.data["text/html"])
        assert len(alt.group(1)) > 60


if chromium_path() is None:  # where there is one, JupyterLab runs them all: tests/browser

    @pytest.mark.notebook
    @every_notebook
    def test_notebook_runs_from_top_to_bottom(path):
        notebook = nbformat.read(path, as_version=4)
        before = len(pictures(notebook))
        for cell in notebook.cells:
            if cell.cell_type == "code":
                cell.outputs = []
        client = nbclient.NotebookClient(
            notebook,
            timeout=120,
            kernel_name="python3",
            resources={"metadata": {"path": path.parent}},
        )
        client.execute()
        require_clean(notebook)
        assert len(pictures(notebook)) == before
