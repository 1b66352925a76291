# Needs python3 (3.11 or newer) with venv, and make; everything else goes into .venv.
#
#   make run      the daemon in the foreground, on etc/config.ini (or: make run CONFIG=other.ini)
#   make test     the tests, and whether those of the pure floors reach every branch of theirs
#   make coverage what all tests together reach, which takes half as long again
#   make check    linter, formatter, types
#   make clean    remove what these made; var/, where the daemon keeps things, stays

PYTHON ?= python3
CONFIG ?= etc/config.ini
# Twice what two processors are worth: many tests wait for programs that they started.
PARALLEL ?= 4
# Those of the pure floors wait for nothing, and each worker more reads all of them first.
PURE_PARALLEL ?= 2
BIN := .venv/bin
# The floors without input and output: words and mind. Every branch of theirs has a test.
PURE := pypidaemon/errors.py,pypidaemon/model/*,pypidaemon/settings.py,pypidaemon/filenames.py,pypidaemon/freshness.py,$\
        pypidaemon/validators.py,pypidaemon/ranges.py,pypidaemon/globs.py,pypidaemon/patterns.py,pypidaemon/moments.py,pypidaemon/clock_times.py,pypidaemon/schedule.py,pypidaemon/windows.py,pypidaemon/plans.py,pypidaemon/locks.py,pypidaemon/rulings.py,pypidaemon/judging.py,pypidaemon/environments.py,pypidaemon/closure.py,pypidaemon/explaining.py,pypidaemon/telling.py,pypidaemon/traffic.py,pypidaemon/budget.py,pypidaemon/policies/*,pypidaemon/archives/*,pypidaemon/stored.py,pypidaemon/showing.py,pypidaemon/standing.py,$\
        pypidaemon/shelf.py,pypidaemon/readings.py,pypidaemon/listings.py,pypidaemon/passage.py,pypidaemon/rights.py,$\
        pypidaemon/forms.py,pypidaemon/formlines.py,pypidaemon/uploads.py,pypidaemon/simple/*,$\
        pypidaemon/advisories/affected.py,pypidaemon/advisories/concerns.py,pypidaemon/advisories/reading.py,pypidaemon/advisories/gathering.py
# Their tests, which alone are watched line by line: a module's own, and the folders of those that have many.
comma := ,
PURE_TESTS := tests/advisories tests/archives tests/policies tests/simple tests/contracts/test_policies.py \
              $(sort $(wildcard $(patsubst pypidaemon/%.py,tests/test_%.py,$(filter %.py,$(subst $(comma), ,$(PURE)))))) \
              tests/test_archives.py tests/test_model.py tests/test_policies.py tests/attestations/test_policy.py \
              tests/indexes/test_first_match.py tests/indexes/test_merged.py tests/indexes/test_policed.py tests/indexes/test_private.py \
              tests/web/test_lists.py tests/web/test_xmlrpc.py

export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: run test coverage check clean

run: .venv/.run
	exec $(BIN)/pypidaemon run -c $(CONFIG)

test coverage check: export PIP_CONFIG_FILE := /dev/null
# Many a test starts a process, which would compile all that it imports where nobody had written down what came of it.
test coverage: export PYTHONDONTWRITEBYTECODE :=

test: .venv/.develop .venv/.browser
	$(BIN)/python -m compileall -q pypidaemon tests benchmarks
	$(BIN)/python -m pytest -n $(PURE_PARALLEL) --dist worksteal --cov --cov-report= $(PURE_TESTS)
	$(BIN)/python -m coverage report --include='$(PURE)' --show-missing --skip-covered --fail-under=100
	$(BIN)/python -m pytest -n $(PARALLEL) --dist worksteal $(addprefix --ignore=,$(PURE_TESTS)) tests
	@echo "make test: all tests passed, in two runs, and every branch of the pure floors is reached"

coverage: .venv/.develop .venv/.browser
	$(BIN)/python -m pytest -n $(PARALLEL) --cov --cov-report=term:skip-covered

check: .venv/.develop
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf .venv build dist .cache .mypy_cache .ruff_cache .hypothesis .coverage *.egg-info
	find . -name __pycache__ -prune -exec rm -rf {} +

# An editable install needs doing again only when what is needed changes.
.venv/.run: setup.py pyproject.toml | .venv/bin/pip
	$(BIN)/pip install --quiet --editable '.[pack,pages]'
	touch $@

# Whoever wants the one wants the other soon, and to install twice takes twice as long.
.venv/.develop: setup.py pyproject.toml | .venv/bin/pip
	$(BIN)/pip install --quiet --editable '.[check,test]'
	touch $@ .venv/.run

# Other programs that tests want are unpacked beside their tools (tests/clients/debian.py); a browser has too many libraries for that.
.venv/.browser: | .venv/bin/pip
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || \
	  { test "$$(id -u)" = 0 && command -v apt-get >/dev/null && apt-get -qq update && \
	    DEBIAN_FRONTEND=noninteractive apt-get -qq install --yes --no-install-recommends chromium >/dev/null; } || \
	  echo "make: there is no browser, and none may be installed: what is tested with one is skipped" >&2
	touch $@

.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "make: $(PYTHON) is missing or older than 3.11; say make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "make: $(PYTHON) cannot make virtual environments; on Debian and Ubuntu: apt install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
