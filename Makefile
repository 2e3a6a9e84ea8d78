# One command each; every target is safe to repeat. See README.md.
PYTHON ?= python3
BIN := .venv/bin
# Tests wait more than they compute: three at a time fill two cores. A file stays together.
TESTERS ?= 3
PYTEST := $(BIN)/python -m pytest -n $(TESTERS) --dist loadfile

.PHONY: install install-test run test check bench faults learn release clean

install: .venv/.installed

.venv/.installed: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 install"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "python3-venv is missing: apt-get install python3-venv"; exit 1; }
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade pip
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

install-test: .venv/.installed-test

.venv/.installed-test: .venv/.installed
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[test,dev,archive,scaled]'
	@scripts/install-chromium
	@scripts/install-servers
	@touch $@

run: install
	$(BIN)/qunguan demo

test: install-test
	$(PYTEST) tests

check: install-test
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(PYTEST) tests/unit

bench: install-test
	$(BIN)/python -m benchmarks

faults: install-test
	$(BIN)/python -m pytest tests/faults -m "slow or not slow"

# Learns config/likely.json from the labelled talk in tests/data, in some ten seconds. After new talk or rules.
learn: install
	$(BIN)/python -c 'from pathlib import Path; from bot.likelyfile import write_likely; write_likely(Path("tests/data"), Path("config"))'

# Pins the texts under templates/ by hash; run by whoever makes a release, after approval.
release: install
	$(BIN)/python -c 'from pathlib import Path; from scheduler.release import write_release; write_release(Path("templates"))'

clean:
	rm -rf .venv var build *.egg-info
