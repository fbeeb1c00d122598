# `make demo` and `make test` need Python 3.10 or newer and nothing else.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export OMP_WAIT_POLICY := passive
# processes that tests run in; a file's tests stay together, because they share trained models
WORKERS ?= 2
PYTEST := $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile

.PHONY: install demo docs package test test-slow test-slurm lint clean

install: $(VENV)/installed

$(VENV)/installed: pyproject.toml setup.py nnunetv2_fair/registration.py
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10) and "Python 3.10 or newer is needed: make PYTHON=python3.12")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e ".[dev]"
	$(BIN)/nnUNetv2_fair_doctor --register
	touch $@

demo: install
	$(BIN)/nnUNetv2_fair_demo -o .demo

# a broken link or anchor is an error; read it with `python -m http.server -d site`
docs: install
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "Open site/index.html"

# wheel and source distribution in dist/, as a package index would take them
package: install
	rm -rf dist
	$(BIN)/python -m build
	$(BIN)/python -m twine check --strict dist/*

lint: install
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

test: lint
	$(PYTEST)

# in the order of the folders: by default, files of one long test would come last
test-slow: install
	$(PYTEST) --no-loadscope-reorder -m slow $(SLOW)

# as root: installs Slurm by apt where it is missing, starts a node, and stops it at the end
test-slurm: install
	$(BIN)/python -m pytest -m slurm -s

clean:
	rm -rf $(VENV) .demo build dist site *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis
