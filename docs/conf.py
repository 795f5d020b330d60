"""Sphinx: pages from Markdown, notebooks as they are committed, references from docstrings."""

import pathlib
import shutil

import dirtylab

HERE = pathlib.Path(__file__).parent
ROOT = HERE.parent

project = "dirtylab"
author = "The dirtylab authors"
copyright = author  # noqa: A001 - Sphinx's name
release = version = dirtylab.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "sphinx.ext.autosummary", "numpydoc"]
exclude_patterns = ["_build"]
myst_enable_extensions = ["colon_fence", "deflist"]
myst_heading_anchors = 3
nb_execution_mode = "off"
nb_merge_streams = True
numpydoc_show_class_members = False
autodoc_typehints = "none"
autodoc_member_order = "bysource"
html_theme = "pydata_sphinx_theme"
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "header_links_before_dropdown": 6,
}
html_title = "dirtylab"
html_static_path = ["_static"]
html_sidebars = {"answers": []}  # its figures take the width
html_show_sourcelink = False
nitpicky = False
suppress_warnings = [
    "myst.xref_missing",  # README-style links to files of the repository
    "mystnb.unknown_mime_type",  # a widget without a kernel: its still picture stands beside it
]


def copy_notebooks() -> None:
    """Copy the committed notebooks to where pages are made of."""
    folder = HERE / "notebooks"
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    for path in sorted((ROOT / "notebooks").glob("*.ipynb")):
        shutil.copy(path, folder)


def write_commands() -> None:
    """Write a page of all commands, from their parser."""
    from dirtylab.cli import build_parser

    made = build_parser()
    lines = ["# Every command", "", "```text", made.format_help().rstrip(), "```", ""]
    for action in made._actions:
        for name, command in (getattr(action, "choices", None) or {}).items():
            lines += [
                f"## dirtylab {name}",
                "",
                "```text",
                command.format_help().rstrip(),
                "```",
                "",
            ]
    (HERE / "commands.md").write_text("\n".join(lines), encoding="utf-8")


copy_notebooks()
write_commands()
