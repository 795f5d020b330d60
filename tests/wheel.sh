#!/usr/bin/env bash
# Build sdist and wheel, check their metadata, and use the wheel in a fresh environment outside of any checkout.
set -euo pipefail
cd "$(dirname "$0")/.."
python=$PWD/.venv/bin/python
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT

"$python" -m build --outdir "$folder/dist" . >"$folder/build.log" || { tail -20 "$folder/build.log"; exit 1; }
"$python" -m twine check --strict "$folder"/dist/*

# The sdist rebuilds the same wheel.
mkdir "$folder/again"
"$python" -m build --wheel --outdir "$folder/again" "$folder"/dist/*.tar.gz >"$folder/build.log" ||
  { tail -20 "$folder/build.log"; exit 1; }
"$python" - "$folder"/dist/*.whl "$folder"/again/*.whl <<'PYTHON'
import sys
import zipfile

one, other = ({i.filename: i.CRC for i in zipfile.ZipFile(path).infolist()} for path in sys.argv[1:])
differ = sorted({*one.items()} ^ {*other.items()})
if differ:
    sys.exit(f"the sdist makes another wheel: {differ[:5]}")
PYTHON

"$python" -m venv "$folder/env"
wheel=$(ls "$folder"/dist/*.whl)
"$folder/env/bin/python" -m pip install --quiet "${wheel}[dashboard]"
mkdir "$folder/work"
cd "$folder/work"
"$folder/env/bin/dirtylab" --version
"$folder/env/bin/dirtylab" machines >machines.md
"$folder/env/bin/dirtylab" advise --pages 64GiB --dirty 1% --no-probe
"$folder/env/bin/dirtylab" radix-tree 100000 1000
"$folder/env/bin/dirtylab" trace list
"$folder/env/bin/python" - <<'PYTHON'
import contextlib
import io

from dirtylab.cli import COMMANDS, build_parser

made = build_parser()
names = [name for action in made._actions for name in getattr(action, "choices", None) or ()]
assert len(names) >= len(COMMANDS), names
print(f"{len(names)} commands")
for name in names:
    with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):
        made.parse_args([name, "--help"])
PYTHON

# JupyterLab really starts; it is ended as by Ctrl-C.
mkdir "$folder/config"
printf 'c.ServerApp.allow_root = True\nc.ServerApp.open_browser = False\n' >"$folder/config/jupyter_server_config.py"
JUPYTER_CONFIG_DIR=$folder/config timeout --signal=INT 30 "$folder/env/bin/dirtylab" lab notebooks >lab.log 2>&1 || true
grep -q "/lab" lab.log || { cat lab.log; exit 1; }

# So does the dashboard, on the start page; no browser is opened.
BROWSER=true timeout --signal=INT 90 "$folder/env/bin/dirtylab" dashboard pages >pages.log 2>&1 &
dashboard=$!
for _ in $(seq 80); do grep -q "http://" pages.log && break; sleep 1; done
"$folder/env/bin/python" - <<'PYTHON' || { cat pages.log; exit 1; }
import http.client
import pathlib
import re

port = re.search(r"http://\S+?:(\d+)/", pathlib.Path("pages.log").read_text())[1]
asked = http.client.HTTPConnection("localhost", int(port), timeout=20)
asked.request("GET", "/")
told = asked.getresponse()
assert told.status == 302, told.status
assert told.headers["Location"] == "/voila/render/00_start_here.ipynb", told.headers["Location"]
PYTHON
kill -INT "$dashboard"
wait "$dashboard" || true

"$folder/env/bin/python" - <<'PYTHON'
import pathlib

import dirtylab

assert ".venv" not in dirtylab.__file__, dirtylab.__file__
for name in dirtylab.__all__:
    getattr(dirtylab, name)
for view in dirtylab.explore.__all__:
    getattr(dirtylab.explore, view)()
assert len(list(pathlib.Path("notebooks").glob("*.ipynb"))) >= 9
print(f"the wheel works: {dirtylab.__version__}")
PYTHON
