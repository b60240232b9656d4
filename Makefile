# make demo and make test need Python 3.11 or later and nothing else; the environment is made in .venv.

VENV := .venv
BIN := $(VENV)/bin
# The first that answers and is new enough: a name on the path may be a shim without a Python behind it.
FIND_PYTHON = for p in $(PYTHON) python3 python3.12 python3.11 python3.13 python3.14 python; do \
	if $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null; then echo $$p; break; fi; done
INSTALL = $(BIN)/python -m pip install --quiet --disable-pip-version-check --use-pep517 --constraint constraints.txt
# One thread a process: the tests run side by side, and sums in another order differ in the last digit.
SINGLE := OPENBLAS_NUM_THREADS=1 OMP_NUM_THREADS=1
PYTEST_ARGS ?= -q -n 2 --dist worksteal

.PHONY: help demo test test-slow check format bench bench-gpu docs readme constraints clean distclean

help:
	@echo "make demo    fit real data with each family; tables here, figures and a report in demo-output/"
	@echo "make test    run the tests"
	@echo "make check   ruff, pyright, import-linter, file sizes"
	@echo "make bench   time statinf beside its peers; tables in benchmarks/results/"
	@echo "make bench-gpu  an accelerator beside two cores, where there is one"
	@echo "make docs    the site in docs/_build/: verbs, guides, vignettes, gallery; every page looked at"
	@echo "make format  let ruff lay out and fix the code"
	@echo "make clean   remove what these commands made; distclean removes .venv too"

demo: $(VENV)/.installed
	$(BIN)/statinf demo --out demo-output

test: $(VENV)/.installed-dev
	$(SINGLE) $(BIN)/python -m pytest $(PYTEST_ARGS)

test-slow: $(VENV)/.installed-dev
	$(SINGLE) $(BIN)/python -m pytest $(PYTEST_ARGS) -m slow

check: $(VENV)/.installed-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/pyright --threads 2
	$(BIN)/lint-imports --no-cache
	$(BIN)/python -m pytest -q -p no:cacheprovider tests/test_structure.py

format: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .
	$(BIN)/python tools/format_vignettes.py

bench: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks

bench-gpu: $(VENV)/.installed-dev
	$(BIN)/python -m benchmarks.gpu

docs: $(VENV)/.installed-dev
	$(BIN)/python -m tools.docs docs/_build
	$(BIN)/python -m tools.docs.check docs/_build

readme: $(VENV)/.installed-dev
	$(BIN)/python tools/readme_table.py

constraints: $(VENV)/.installed-dev
	$(BIN)/python tools/make_constraints.py --upgrade

clean:
	rm -rf demo-output docs/_build build dist .pytest_cache .ruff_cache .import_linter_cache .hypothesis
	find . -path ./$(VENV) -prune -o -name __pycache__ -type d -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV)

$(BIN)/python:
	@python=$$($(FIND_PYTHON)); \
	if [ -z "$$python" ]; then echo "statinf needs Python 3.11 or later: install one, or make PYTHON=/path/to/python" >&2; exit 1; fi; \
	echo "making $(VENV) with $$($$python --version)"; \
	$$python -m venv $(VENV) || { rm -rf $(VENV); $$python -m virtualenv $(VENV) 2>/dev/null; } || \
	{ echo "$$python cannot make an environment: install its venv module (python3-venv on Debian)" >&2; exit 1; }

# Old environments are brought up to date in place; pip leaves what already fits. Where its cache cannot be written, pip
# cannot keep the wheels that it builds and stops: once more without a cache.
$(VENV)/.installed: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing statinf and what it needs into $(VENV) (the first time takes a few minutes)"
	@$(INSTALL) --editable . || $(INSTALL) --no-cache-dir --editable .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "installing statinf, its tests' and its tools' packages into $(VENV) (the first time takes a few minutes)"
	@$(INSTALL) --editable '.[dev]' || $(INSTALL) --no-cache-dir --editable '.[dev]'
	@touch $@ $(VENV)/.installed
