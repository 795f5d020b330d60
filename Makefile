# Every target makes the environment it needs, once; a second call is quick.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PYTEST := $(BIN)/python -m pytest
WORKERS ?= -n 3 --dist loadfile --no-loadscope-reorder
KERNEL_TESTS := $(patsubst %,tests/test_%.py,contract posted structures ordering words \
  datasets generators patterns laws traces tracefile describe bounds interrupts)

# The lowest versions, on the lowest Python; its own environment.
LOWEST_PYTHON ?= python3.11
LOWEST := .venv-lowest
LOWEST_TESTS ?= tests

# Kernels of visitors who left, and the processes that measure for them, end within two minutes.
VOILA := --classic-tree --show_tracebacks=True --MappingKernelManager.cull_idle_timeout=60 --MappingKernelManager.cull_interval=30

.PHONY: help reproduce soak peers lab dashboard notebooks docs site wheel test test-slow test-lowest weak-memory fuzz lint format \
  clean-cache clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /  make \1\t/p' $(MAKEFILE_LIST) | expand -t 20

reproduce: $(VENV)/ready  ## the nine runs of 2016 beside this machine's, with verdicts and figures
	$(BIN)/dirtylab reproduce

soak: $(VENV)/ready  ## threads insert 10^9 times while one harvests, every insert accounted for
	$(BIN)/dirtylab soak

peers: $(VENV)/ready  ## build every peer, fetching the sources of others, and put the contract to each
	$(BIN)/dirtylab peers build

lab: $(VENV)/ready  ## JupyterLab with the notebooks
	$(BIN)/jupyter lab --notebook-dir=notebooks --LabApp.default_url=/lab/tree/00_start_here.ipynb

dashboard: $(VENV)/ready-dashboard  ## the notebooks as pages with sliders and no code (Voila), on the start page
	$(BIN)/python -m dirtylab.cli.pages $(VOILA) notebooks

notebooks: $(VENV)/ready-dev  ## execute the notebooks again, in place
	$(BIN)/jupyter nbconvert --log-level=WARN --to notebook --execute --inplace \
	  --ExecutePreprocessor.store_widget_state=False --ExecutePreprocessor.record_timing=False \
	  notebooks/*.ipynb

docs: $(VENV)/ready-dev  ## measure again what the README shows, and rewrite its tables
	$(BIN)/dirtylab reproduce --out data/measured/mailing_list
	$(BIN)/dirtylab compare --out data/measured/compare
	$(BIN)/dirtylab live --out data/measured/live
	$(BIN)/python -m dirtylab._readme

# Tests start hundreds of interpreters: what they and pytest make of the sources is kept.
test test-slow: export PYTHONDONTWRITEBYTECODE :=

# Whole files go to three workers, for two cores: they share what they compile, and some wait for
# a browser.
test: $(VENV)/ready-dev  ## the tests, but for slow ones
	$(PYTEST) $(WORKERS) -m "not slow"

test-slow: $(VENV)/ready-dev  ## further cases, and the kernels interpreted and with bounds checked; CI runs both
	$(PYTEST) $(WORKERS) -m slow $$(grep -l '\<slow\>\|further' tests/test_*.py tests/browser/test_*.py)
	DIRTYLAB_TEST_CACHE= NUMBA_DISABLE_JIT=1 $(PYTEST) $(WORKERS) -m "not large and not slow" $(KERNEL_TESTS)
	DIRTYLAB_TEST_CACHE= NUMBA_BOUNDSCHECK=1 $(PYTEST) $(WORKERS) -m "not slow" $(KERNEL_TESTS)

FUZZ_ROUNDS ?= 2000
FUZZ_SEED ?= 0

fuzz: $(VENV)/ready-dev  ## the scripts in tests/fuzz at a larger size (FUZZ_ROUNDS, FUZZ_SEED)
	@status=0; for script in tests/fuzz/[a-z]*.py; do \
	  PYTHONPATH=tests $(BIN)/python $$script --rounds $(FUZZ_ROUNDS) --seed $(FUZZ_SEED) || status=1; \
	done; exit $$status

# Not in .ci/run, whose 25 minutes the tests above fill; a job of its own may take as long.
test-lowest: $(LOWEST)/ready  ## all tests with the lowest versions that pyproject.toml allows
	$(LOWEST)/bin/python -m pytest $(LOWEST_TESTS)

site: $(VENV)/ready-docs  ## the documentation as pages, in docs/_build/html; warnings are errors, links are checked
	$(BIN)/python -m sphinx --fail-on-warning --keep-going --quiet -b html docs docs/_build/html
	$(BIN)/python docs/check_site.py docs/_build/html

# Not in .ci/run, which the tests fill: a job of its own.
wheel: $(VENV)/ready-dev  ## sdist and wheel, checked, and used in a fresh environment
	tests/wheel.sh

weak-memory:  ## the lockless protocols under weak memory, by GenMC where it is installed
	@$(PYTHON) tests/weak_memory/check.py

lint: $(VENV)/ready-dev  ## style and types
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(VENV)/ready-dev  ## put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean-cache:  ## forget compiled kernels, those of earlier states of the code too
	find dirtylab -name '*.nbi' -delete -o -name '*.nbc' -delete

clean: clean-cache  ## remove the environments
	rm -rf $(VENV) $(LOWEST)

$(VENV)/python-found:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "dirtylab needs Python 3.11 or later; name one: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@$(PYTHON) -m venv $(VENV) || \
	  { echo "$(PYTHON) can't make a virtual environment; on Debian and Ubuntu install python3-venv"; rm -rf $(VENV); exit 1; }
	$(BIN)/python -m pip install --quiet --upgrade 'pip>=25.1'
	@touch $@

$(VENV)/ready: $(VENV)/python-found pyproject.toml
	$(BIN)/python -m pip install --quiet -e .
	@touch $@

$(VENV)/ready-dashboard: $(VENV)/ready
	$(BIN)/python -m pip install --quiet -e '.[dashboard]'
	@touch $@

$(VENV)/ready-docs: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --group docs
	@touch $@

$(VENV)/ready-dev: $(VENV)/ready
	$(BIN)/python -m pip install --quiet --group dev
	@touch $@

$(LOWEST)/ready: pyproject.toml tests/lowest.py
	@$(LOWEST_PYTHON) -c 'import sys; sys.exit(sys.version_info[:2] != (3, 11))' || \
	  { echo "the lowest versions need Python 3.11; name it: make LOWEST_PYTHON=python3.11 test-lowest"; exit 1; }
	@rm -rf $(LOWEST)
	@$(LOWEST_PYTHON) -m venv $(LOWEST)
	$(LOWEST)/bin/python tests/lowest.py > $(LOWEST)/constraints.txt
	$(LOWEST)/bin/python -m pip install --quiet --upgrade 'pip>=25.1'
	$(LOWEST)/bin/python -m pip install --quiet --constraint $(LOWEST)/constraints.txt \
	  -e '.[peers,cluster,dashboard]' --group test
	@touch $@
