# Two commands matter: `make run VIDEO=path` and `make test`. Both make and use .venv in this folder.
VENV := .venv
PYTHON ?= python3
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check
CONSTRAINTS := packaging/constraints.txt
VIDEO ?= demo
OUT ?= mien-output

.PHONY: run live test check clean

run: $(VENV)/.runtime
	$(VENV)/bin/mien prepare
	$(VENV)/bin/mien annotate "$(VIDEO)" --out "$(OUT)" $(if $(filter demo,$(VIDEO)),--force,--resume)

live: $(VENV)/.window
	$(VENV)/bin/mien prepare
	$(VENV)/bin/mien

test: $(VENV)/.test
	$(VENV)/bin/mien prepare
	$(VENV)/bin/python -m pytest -q

check: $(VENV)/.test
	$(VENV)/bin/ruff check app engine training tests
	$(VENV)/bin/ruff format --check app engine training tests
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	@if [ -f ../shared/tools/measure_style.py ]; then \
	  $(VENV)/bin/python ../shared/tools/measure_style.py --header --check app engine training --tests tests; fi

# A stamp per set of extras; the versions are exactly those of the constraints.
$(VENV)/.runtime: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -q --no-compile -c $(CONSTRAINTS) -e .
	@touch $@

$(VENV)/.window: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -q --no-compile -c $(CONSTRAINTS) -e ".[window]"
	@touch $@

$(VENV)/.test: pyproject.toml $(CONSTRAINTS)
	$(PYTHON) -m venv $(VENV)
	$(PIP) install -q --no-compile -c $(CONSTRAINTS) -e ".[window,train,test]"
	@touch $@

clean:
	rm -rf $(VENV) build *.egg-info
