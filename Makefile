# `make solve` and `make test` do everything on a fresh machine with Python 3.11 or newer and make.
# A virtual environment in .venv that is already there is used as it is, with what is installed in it.
#
#   make solve PYTHON=/opt/python3.12/bin/python3   chooses the Python that .venv is made with
#   make test JOBS=1                                runs the tests one after the other, not two at a time
#   make bench-peers ARGS='--help'                  says what benchmarks can be told

VENV := .venv
PY := $(VENV)/bin/python
MLSPEC := $(VENV)/bin/mlspec
PIP := $(PY) -m pip --disable-pip-version-check install --constraint constraints.txt

# Reruns install nothing: these files say that what they are named after is installed.
INSTALLED := $(VENV)/.mlspec
INSTALLED_DEV := $(VENV)/.mlspec-dev
INSTALLED_DOCS := $(VENV)/.mlspec-docs
INSTALLED_PEERS := $(VENV)/.mlspec-peers

JOBS ?= 2
PYTEST := $(PY) -m pytest --numprocesses $(JOBS) --dist worksteal
SOUNDNESS := PYTHONPATH=tests $(PY) -m soundness
FUZZ := PYTHONPATH=tests $(PY) tests/faults/fuzz.py
BENCHMARKS := PYTHONPATH=tests $(PY) -m benchmarks
ARGS ?=

PYTHON ?=
PYTHONS := python3.13 python3.12 python3.11 python3.14 python3 python
IS_RECENT := import sys; sys.exit(sys.version_info < (3, 11))

.DEFAULT_GOAL := help
.PHONY: help solve test check lint slow soundness fuzz docs bench bench-radius bench-neighbours bench-peers bench-strategies bench-labels train install clean

help:  ## Say what can be made
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "make %-16s %s\n", $$1, $$2 }' Makefile

solve: $(INSTALLED)  ## The main job: results/pgd_img3.nc and its figure
	$(MLSPEC) solve specs/pgd_img3.yaml -o results/pgd_img3.nc
	$(MLSPEC) plot results/pgd_img3.nc -o results/pgd_img3.png
	@printf '\nThe result is in %s\nIts figure is in %s\n' \
	  '$(CURDIR)/results/pgd_img3.nc' '$(CURDIR)/results/pgd_img3.png'

test: $(INSTALLED_DEV)  ## The tests, without those that take minutes
	$(PYTEST) -m "not slow"

check: lint  ## Format, lint, types, import layering, all tests: what CI runs
	$(PYTEST)

lint: $(INSTALLED_DEV)  ## Format, lint, types, import layering
	$(PY) -m ruff format --check .
	$(PY) -m ruff check .
	$(PY) -m mypy
	$(VENV)/bin/lint-imports

slow: $(INSTALLED_DEV)  ## Only the tests that take minutes
	$(PYTEST) -m slow

soundness: $(INSTALLED_DEV)  ## 100,000 cases of known answer to every solver: hours, can be resumed
	$(SOUNDNESS) --jobs $(JOBS) $(ARGS)

fuzz: $(INSTALLED_DEV)  ## 120,000 broken files of every kind: each read, or refused by a clear line; hours
	$(FUZZ) $(ARGS)

docs: $(INSTALLED_DOCS)  ## Build the documentation: docs/_build/html/index.html
	$(PY) -m sphinx --quiet --fresh-env --fail-on-warning --keep-going --builder html docs docs/_build/html
	@printf '\nThe documentation is in %s\n' '$(CURDIR)/docs/_build/html/index.html'

bench: $(INSTALLED)  ## Time every stage of the pipeline on the shipped specs
	$(BENCHMARKS) stages $(ARGS)

bench-radius: $(INSTALLED)  ## How near the attack comes to the exact radius
	$(BENCHMARKS) radius $(ARGS)

bench-neighbours: $(INSTALLED)  ## Queries that follow others, against the same from nothing
	$(BENCHMARKS) neighbours $(ARGS)

bench-peers: $(INSTALLED_PEERS)  ## The same queries to mlspec, Marabou and OMLT
	$(BENCHMARKS) peers $(ARGS)

bench-strategies: $(INSTALLED)  ## The search strategies side by side
	$(BENCHMARKS) strategies $(ARGS)

bench-labels: $(INSTALLED)  ## How soon all labels of an image are decided
	$(BENCHMARKS) labels $(ARGS)

train: $(INSTALLED)  ## Train every classifier anew, into specs/classifiers
	@set -e; for spec in specs/training/*.yaml; do \
	  echo "$(MLSPEC) train $$spec"; $(MLSPEC) train "$$spec"; done

install: $(INSTALLED)  ## Install mlspec into .venv

clean:  ## Remove .venv and all caches; results stay
	rm -rf $(VENV) build dist docs/_build .hypothesis .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
	find mlspec tests -name __pycache__ -type d -prune -exec rm -rf {} +

# hatchling builds mlspec, pinned like everything else: hence no isolated build.
$(INSTALLED): pyproject.toml constraints.txt | $(PY)
	@$(PY) -c '$(IS_RECENT)' || { echo "$(VENV) has an older Python than 3.11: make clean, then again" >&2; exit 1; }
	$(PIP) --quiet hatchling editables
	$(PIP) --quiet --no-build-isolation --editable .
	@touch $@

$(INSTALLED_DEV): $(INSTALLED)
	$(PIP) --quiet --no-build-isolation --editable '.[dev]'
	@touch $@

$(INSTALLED_DOCS): $(INSTALLED)
	$(PIP) --quiet --no-build-isolation --editable '.[docs]'
	@touch $@

$(INSTALLED_PEERS): $(INSTALLED)
	$(PIP) --quiet --no-build-isolation --editable '.[peers]'
	@touch $@

$(PY):
	@chosen='$(PYTHON)'; \
	if [ -z "$$chosen" ]; then \
	  for each in $(PYTHONS); do \
	    if "$$each" -c '$(IS_RECENT)' >/dev/null 2>&1; then chosen="$$each"; break; fi; \
	  done; \
	fi; \
	if [ -z "$$chosen" ]; then \
	  echo "mlspec needs Python 3.11 or newer: install it, or name it: make PYTHON=/path/to/python3" >&2; \
	  exit 1; \
	fi; \
	if ! "$$chosen" -c '$(IS_RECENT)' >/dev/null 2>&1; then \
	  echo "$$chosen is no Python 3.11 or newer: give another, make PYTHON=/path/to/python3" >&2; \
	  exit 1; \
	fi; \
	echo "$$chosen -m venv $(VENV)"; \
	"$$chosen" -m venv $(VENV) || { \
	  rm -f $(PY); \
	  echo "$$chosen cannot make a virtual environment (on Debian and Ubuntu: apt install python3-venv)" >&2; \
	  exit 1; }
