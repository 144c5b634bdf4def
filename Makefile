# The two main commands: `make run VIDEO=path` and `make test`. Both create and use .venv in this folder.
VENV := .venv
PYTHON ?= python3
PIP := $(VENV)/bin/python -m pip --disable-pip-version-check
CONSTRAINTS := packaging/constraints.txt
VIDEO ?= demo
OUT ?= mien-output
# A test file runs in one process, and each process loads torch and Qt: about 1.5 GB each.
PARALLEL := -n auto --maxprocesses 4 --dist loadfile

.PHONY: run live test test-offline check faults soak checksums wheel clean

run: $(VENV)/.runtime
	$(VENV)/bin/mien prepare
	$(VENV)/bin/mien annotate "$(VIDEO)" --out "$(OUT)" $(if $(filter demo,$(VIDEO)),--force,--resume)

live: $(VENV)/.window
	$(VENV)/bin/mien prepare
	$(VENV)/bin/mien

test: $(VENV)/.test
	$(VENV)/bin/mien prepare
	$(VENV)/bin/python -m pytest -q $(PARALLEL)

# The whole suite in a network namespace of its own (Linux).
test-offline: $(VENV)/.test
	$(VENV)/bin/mien prepare
	$(VENV)/bin/python -m tests.faults.offline -q $(PARALLEL)

# Long runs, hours each; their figures go to docs/results/trust.json (docs/reliability.md).
faults: $(VENV)/.test
	$(VENV)/bin/python -m tests.faults.sigkill --runs 200
	$(VENV)/bin/python -m tests.fuzz.files --models 2000 --texts 2000 --journals 400
	$(VENV)/bin/python -m tests.faults.long_file --hours 2 --fps 30

soak: $(VENV)/.test
	$(VENV)/bin/python -m tests.faults.soak --minutes 60

check: $(VENV)/.test
	$(VENV)/bin/ruff check app engine training tests packaging setup.py
	$(VENV)/bin/ruff format --check app engine training tests packaging setup.py
	$(VENV)/bin/mypy
	$(VENV)/bin/lint-imports
	@if [ -f ../shared/tools/measure_style.py ]; then \
	  $(VENV)/bin/python ../shared/tools/measure_style.py --header --check app engine training --tests tests; fi

# After an export to assets/models: the engine loads only what is on this list.
checksums:
	cd assets/models && sha256sum *.onnx *.json > SHA256SUMS

# build/ is removed first: setuptools would copy modules from it that are no longer in the source.
wheel: $(VENV)/bin/python
	rm -rf build
	$(PIP) wheel -q --no-deps -w dist .
	rm -rf build

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

# One stamp per set of extras; versions are pinned by the constraints.
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
	$(PIP) install -q --no-compile -c $(CONSTRAINTS) -e ".[window,train,export,serve,mqtt,lsl,test]"
	@touch $@

clean:
	rm -rf $(VENV) build dist *.egg-info
