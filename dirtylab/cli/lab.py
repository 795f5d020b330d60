"""``dirtylab lab`` and ``dirtylab dashboard``: the notebooks in a folder, and opened there."""

import argparse
import importlib.util
import pathlib
import subprocess
import sys

from dirtylab._console import tell

START = "00_start_here.ipynb"
FOLDER = "dirtylab-notebooks"
_PACKAGE = pathlib.Path(__file__).parent.parent


def add_parser(commands: "argparse._SubParsersAction[argparse.ArgumentParser]") -> None:
    """Add both commands."""
    for name, what, module in (
        ("lab", "open the notebooks in JupyterLab, on the start page", "jupyterlab"),
        ("dashboard", "open them as pages with sliders and no code, on the start page", "voila"),
    ):
        command = commands.add_parser(
            name,
            help=what,
            description=f"Put the notebooks into a folder and {what}. A notebook that is there "
            "already is left as it is.",
        )
        command.add_argument(
            "folder", nargs="?", type=pathlib.Path, default=pathlib.Path(FOLDER), metavar="FOLDER",
            help="where the notebooks go (default: %(default)s)",
        )  # fmt: skip
        command.add_argument(
            "--no-open", action="store_true", help="put the notebooks there, and open nothing"
        )
        command.set_defaults(run=_open, module=module)


def shipped_notebooks() -> list[pathlib.Path]:
    """Return the notebooks that come with the package, or those of a checkout."""
    places = (_PACKAGE / "_notebooks", _PACKAGE.parent / "notebooks")
    for place in places:
        if (place / START).is_file():
            return sorted(place.glob("*.ipynb"))
    raise FileNotFoundError("the notebooks are not among what was installed")


def put_notebooks(folder: pathlib.Path) -> list[str]:
    """Put the notebooks into a folder; return the names of those there that differ, and stay."""
    folder.mkdir(parents=True, exist_ok=True)
    kept = []
    for source in shipped_notebooks():
        content, target = source.read_bytes(), folder / source.name
        try:
            with target.open("xb") as new:
                new.write(content)
        except FileExistsError:
            if target.read_bytes() != content:
                kept.append(target.name)
    return kept


VOILA = (
    "--classic-tree", "--show_tracebacks=True",
    "--MappingKernelManager.cull_idle_timeout=60", "--MappingKernelManager.cull_interval=30",
)  # fmt: skip
"""Options of Voila: kernels of visitors who left end, and the processes that measure for them."""


def _open(arguments: argparse.Namespace) -> int:
    folder, module = arguments.folder, arguments.module
    if not arguments.no_open and importlib.util.find_spec(module) is None:
        raise ImportError(f"{module} is not installed: pip install 'dirtylab[dashboard]'")
    for name in put_notebooks(folder):
        tell(f"{folder / name}: is not as shipped, and stays as it is")
    print(f"notebooks are in {folder}", flush=True)
    if arguments.no_open:
        return 0
    words = {
        "jupyterlab": [
            module,
            f"--notebook-dir={folder}",
            f"--LabApp.default_url=/lab/tree/{START}",
        ],
        "voila": ["dirtylab.cli.pages", *VOILA, str(folder)],
    }[module]
    return subprocess.run([sys.executable, "-m", *words], check=False).returncode
