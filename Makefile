# `make demo` and `make test` do all their own set-up; nothing else is needed by hand.
SHELL := bash
VENV ?= .venv
PYTHON ?= $(firstword $(foreach v,python3.11 python3.12 python3.13 python3,$(if $(shell $(v) -c "import sys; sys.exit(sys.version_info < (3, 11))" 2>/dev/null && echo ok),$(v))))
BIN := $(VENV)/bin
# Where this is set, each of the many processes that tests start would compile the sources again.
unexport PYTHONDONTWRITEBYTECODE
# Tests that run side by side. Much of their time is waiting, so two more than the two cores that they are meant for.
WORKERS ?= 4
TESTS := -m "not soak" --ignore tests/soak -n $(WORKERS) --dist loadfile --no-loadscope-reorder
# No servers, no browser, no training, no downloaded weights.
FAST := tests/unit -m "not slow" -n 2 --dist loadfile
# The demo needs the engine alone; everything else needs the development tools too.
ENGINE := $(VENV)/.engine-ready
READY := $(VENV)/.ready
HOMEASSISTANT := build/home-assistant/.ready
# Each environment records its checkout, so that another one (through a link) does not point it at itself.
OWN = test ! -s $(ENGINE) || grep -qxF "$(CURDIR)" $(ENGINE) || { echo "$(VENV) belongs to $$(cat $(ENGINE)), and packages must be installed: run make there, or delete $(VENV) here" >&2; exit 1; }

.PHONY: help demo test tests test-fast test-lowest flaky lint format hooks bench soak home-assistant train docs dist clean
.DEFAULT_GOAL := help

help:
	@echo "make demo       recognise actions in real footage that arrives over RTSP"
	@echo "make test       lint, then every test (about 7 minutes on two cores)"
	@echo "make test-fast  unit tests without servers, training or weights (45 seconds on two cores)"
	@echo "make flaky      run the tests five times on a loaded machine"
	@echo "make format     format the code and apply the linter's fixes"
	@echo "make lint       budget, ruff, pyright, import-linter, links of the documentation"
	@echo "make hooks      run the linters before each commit (pre-commit)"
	@echo "make bench      measure against a bare loop and against peers"
	@echo "make soak       long runs (memory, random faults), many random examples, and timed promises, on an idle machine"
	@echo "make train      train a checkpoint in runs/, also on recorded motion with DATA=DIR"
	@echo "make docs       build the documentation site in build/site"
	@echo "make dist       build wheel and source distribution in dist/"
	@echo "make clean      delete what was built"

$(ENGINE): pyproject.toml
	@$(OWN)
	@test -n "$(PYTHON)" || { echo "partstream needs Python 3.11 or newer, and none was found" >&2; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "Installing the engine's packages into $(VENV) (about a minute the first time)"
	@$(BIN)/python -m pip install --quiet --upgrade "pip>=25"
	@$(BIN)/python -m pip install --quiet --progress-bar on --editable .
	@echo "$(CURDIR)" > $@

$(READY): $(ENGINE)
	@$(OWN)
	@echo "Installing test and documentation tools into $(VENV) (about a minute the first time)"
	@$(BIN)/python -m pip install --quiet --progress-bar on --editable ".[train,mmdet,export,openvino,dev]"
	@touch $@

format: $(READY)
	@$(BIN)/ruff check --quiet --fix --exit-zero .
	@$(BIN)/ruff format .

demo: $(ENGINE)
	@deploy/system-packages.sh demo
	@$(BIN)/python run_stream.py demo

# pyright computes on one core for a minute, so it runs beside the tests and their set-up.
test: $(READY)
	@$(MAKE) --no-print-directory --jobs 2 lint tests

tests: $(READY)
	@deploy/system-packages.sh test
	@$(BIN)/python run_stream.py weights fetch
	@$(BIN)/python -m pytest $(TESTS)

test-fast: $(READY)
	@$(BIN)/python -m pytest $(FAST)

# Five runs of `make test` on a loaded machine, none longer than 8 minutes: RUNS=5, MINUTES=8, and logs in build/flaky.
RUNS ?= 5
MINUTES ?= 8
flaky: $(READY)
	@deploy/system-packages.sh flaky
	@$(BIN)/python run_stream.py weights fetch
	@$(BIN)/python -m tools.flaky --runs $(RUNS) --minutes $(MINUTES) -- $(TESTS)

# The lowest versions that pyproject.toml allows, in an environment of their own.
test-lowest:
	@test -x build/lowest/bin/uv || { $(PYTHON) -m venv build/lowest && build/lowest/bin/python -m pip install --quiet uv; }
	@build/lowest/bin/uv pip install --quiet --python build/lowest/bin/python --resolution lowest-direct --editable ".[train,mmdet,test]"
	@build/lowest/bin/python -m pytest $(FAST)

lint: $(READY)
	@$(BIN)/python -m tools.budget
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/pyright
	@$(BIN)/lint-imports
	@$(MAKE) --no-print-directory docs

hooks: $(READY)
	@$(BIN)/pre-commit install

bench: $(READY)
	@$(OWN)
	@deploy/system-packages.sh demo
	@$(BIN)/python -m pip install --quiet --editable ".[bench]"
	@$(BIN)/python run_stream.py bench engine
	@$(BIN)/python run_stream.py bench ingest
	@$(BIN)/python run_stream.py bench model
	@$(BIN)/python run_stream.py bench paper
	@$(BIN)/python run_stream.py bench end-to-end

# Home Assistant for `make soak`, in an environment of its own: it needs Python 3.13.2 or newer, which uv finds or
# downloads. It does not start without its frontend.
home-assistant: $(HOMEASSISTANT)
$(HOMEASSISTANT): Makefile
	@echo "Installing Home Assistant into build/home-assistant (half a minute, 800 MB)"
	@test -x build/uv/bin/uv || { $(PYTHON) -m venv build/uv && build/uv/bin/python -m pip install --quiet uv; }
	@build/uv/bin/uv venv --quiet --clear --python '>=3.13.2,<3.14' build/home-assistant
	@build/uv/bin/uv pip install --quiet --python build/home-assistant/bin/python homeassistant==2026.2.3 home-assistant-frontend==20260128.6 paho-mqtt==2.1.0
	@touch $@

# Random faults run for CHAOS_SECONDS; their log is build/chaos/log.jsonl.
CHAOS_SECONDS ?= 7200
# Readers of what comes from outside get FUZZ times as many random inputs as in `make test`: about two hours.
FUZZ ?= 1000
DAMAGED := -k "damaged or mutated or any_bytes or any_packets" --timeout 0 -n $(WORKERS) --dist load
soak: $(READY) $(HOMEASSISTANT)
	@deploy/system-packages.sh test
	@CHAOS_SECONDS=$(CHAOS_SECONDS) $(BIN)/python -m pytest -m soak -s
	@TESTS_EXAMPLES=10 $(BIN)/python -m pytest -m "hypothesis and not soak" -n $(WORKERS) --dist loadfile
	@TESTS_EXAMPLES=$(FUZZ) $(BIN)/python -m pytest -m "hypothesis and not soak" $(DAMAGED) tests/unit

# With a data folder (docs/data-folder.md) also on recorded motion: make train DATA=DIR, PROFILE=edge-open.
PROFILE ?= edge
RECIPE = training/configs/$(if $(filter edge-open,$(PROFILE)),edge-open,edge-recorded).yaml
train: $(READY)
	@$(BIN)/python run_stream.py train --config $(RECIPE) $(if $(DATA),--recorded "$(DATA)") --out runs/$(PROFILE).safetensors

docs: $(READY)
	@NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet
	@echo "build/site/index.html"

dist: $(READY)
	@rm -rf dist build
	@$(BIN)/python -m build
	@$(BIN)/twine check --strict dist/*

clean:
	rm -rf build dist demo_out *.egg-info .pytest_cache .ruff_cache .hypothesis .import_linter_cache
