# What a fresh machine needs: Python 3.11 or newer, and make.
PYTHON ?= python3
WORKERS ?= 2
GOLDENS ?=
DEMO ?=
MINUTES ?= 60
SHORT ?=

VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready

.PHONY: faults soak help setup demo bench bench-gpu test check format requirements clean

help:
	@echo "make demo     set up, then distil, stream and judge videos in the toy world"
	@echo "make test     set up, then lint, types, house limits and tests"
	@echo "make check    lint, types, house limits, floors"
	@echo "make faults   break files, disks, processes and input on purpose; in minutes"
	@echo "make soak     stream for an hour (MINUTES=60): memory, handles and latency flat, the same bytes twice"
	@echo "make format   lay the code out"
	@echo "make bench    engines side by side, approximations, memory, judging, guards; on a CPU (SHORT=1: only to see it work)"
	@echo "make bench-gpu  the 1.3B model with random weights: agreement, speed, memory, distillation; on an NVIDIA GPU"
	@echo "make setup    make .venv (once; again after requirements changed)"
	@echo "make clean    remove .venv and caches"
	@echo
	@echo "another Python:          make PYTHON=python3.13 ..."
	@echo "golden tensors, too:     make test GOLDENS=folder"

setup: $(READY)

$(READY): requirements.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python 3.11 or newer is needed, $(PYTHON) is " + sys.version.split()[0] + "; choose another: make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet uv
	$(BIN)/python -m uv pip install --python $(BIN)/python -r requirements.txt
	$(BIN)/python -m uv pip install --python $(BIN)/python --no-deps --editable .
	@touch $(READY)

bench: setup
	$(BIN)/python -m benchmarks cpu $(if $(SHORT),--short)

bench-gpu: setup
	$(BIN)/python -m benchmarks gpu $(if $(SHORT),--short)

demo: setup
	$(BIN)/reward-forcing demo $(DEMO)

test: check
	$(BIN)/pytest -n $(WORKERS) $(if $(GOLDENS),--goldens=$(GOLDENS))

faults: setup
	EXAMPLES=60 $(BIN)/pytest tests/faults/*.py tests/bad_input tests/properties/test_config_values.py tests/properties/test_readers.py tests/test_security.py tests/test_refusals.py

soak: setup
	$(BIN)/python tools/soak.py --minutes $(MINUTES)
	$(BIN)/python tools/soak.py --twice

check: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/python tools/check_house.py
	$(BIN)/pytest -q tests/test_architecture.py

format: setup
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

requirements: setup
	$(BIN)/python -m uv pip compile pyproject.toml --extra dev --universal --python-version 3.11 \
		--no-header --no-annotate --no-emit-index-url --quiet --output-file requirements.txt

clean:
	rm -rf $(VENV) .mypy_cache .pytest_cache .ruff_cache .hypothesis
