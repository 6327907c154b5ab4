# Everything runs in a virtual environment of this folder; the locks pin every package by hash.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO := .tingchao/demo/tingchao.toml

.PHONY: demo test check faults fuzz audit-deps format clean lock

demo: $(READY)
	$(BIN)/tingchao demo

# Three processes: for the tests that share Kafka and Elasticsearch, for the fault rows, which hurt
# servers of their own, and for the others. Half of the first two is waiting.
test: $(READY)
	$(BIN)/python -m pytest -n 3

check: $(READY)
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

# The fault matrix at full size with three seeds, then the long runs: some four hours.
faults: $(READY)
	$(BIN)/python -m tests.faults matrix
	$(BIN)/python -m tests.faults soak
	$(BIN)/python -m tests.faults outage
	$(BIN)/python -m tests.faults table

format: $(READY)
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# Debian ships Python without venv; root installs it, others are told by Python itself.
$(READY): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Tingchao needs Python 3.11 or newer; set PYTHON=/path/to/python3.11"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { [ "$$(id -u)" = 0 ] && apt-get update -q && apt-get install -qy --no-install-recommends python3-venv; } || \
	  { echo "Python's venv is missing: install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --no-deps --editable .
	@touch $(READY)

# Thousands of new examples for every parser of bytes from outside; the usual run has fewer, fixed ones.
fuzz: $(READY)
	FUZZ_EXAMPLES=$(or $(FUZZ_EXAMPLES),5000) $(BIN)/python -m pytest tests/test_fuzz.py tests/processors/test_query_set.py --timeout 7200

# Asks a public database; not part of check or test, which need no network.
audit-deps: $(READY)
	$(BIN)/python deploy/audit_deps.py

clean:
	-[ ! -x $(BIN)/tingchao ] || $(BIN)/tingchao services stop
	-[ ! -x $(BIN)/tingchao ] || [ ! -f $(DEMO) ] || $(BIN)/tingchao --settings $(DEMO) services stop
	rm -rf $(VENV) .tingchao build *.egg-info .mypy_cache .pytest_cache .ruff_cache .hypothesis

# After a change of the dependencies in pyproject.toml. No addresses are written into the locks.
lock: $(READY)
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header \
	  --python-version 3.11 pyproject.toml -o requirements.lock
	$(BIN)/uv pip compile --quiet --universal --generate-hashes --no-annotate --no-header \
	  --python-version 3.11 --all-extras -c requirements.lock pyproject.toml -o requirements-dev.lock
