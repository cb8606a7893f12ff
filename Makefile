# Everything happens in .venv at the root. Nothing else on the machine is touched, except that `make test` installs four
# Debian packages of sound when they are missing and it may; otherwise it names them and stops.
#   make demo          set up what the demo needs (no torch) and run it
#   make test          set up everything and run linters, type checker, floors and tests
#   make lint          the linters and the type checker of make test
#   make system        the Debian packages that make test needs
#   make docs          the guide as HTML, into docs/_build
#   make bench-chain   the numbers that README and docs quote, into benchmarks/results/chain.json
#   make bench-localization       which cell, ours beside other packages: results, docs/localization-results.md, pictures
#   make bench-localization-full  the same and the whole grid of conditions, hours
#   make bench-detection          every published detector and ours on the same takes: results, docs/detection-results.md
#   make bench-detection-full     the same with 200 epochs, long vents and days of normal sound, hours
#   make bench-monitor            the live watch: load, a simulated day, time to the alarm, faults, many arrays
#   make bench-monitor-full       the same with a simulated week, 100 vents and every fault 20 times, hours
#   make bench-study              placement studies: cost of an event, agreement of the engines, ranking, search, memory
#   make bench-study-full         the same with more events, conditions and kills, hours

PYTHON ?= python3
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check
INSTALL := $(PIP) install --quiet --constraint constraints.txt

.PHONY: demo test lint system docs bench-chain bench-localization bench-localization-full bench-detection bench-detection-full \
  bench-monitor bench-monitor-full bench-study bench-study-full clean

demo: .venv/sim
	$(BIN)/trad-array demo --out demo

test: system lint
	$(BIN)/pytest

# The audio server that the tests of live sound run against.
system:
	@sh tests/live/debian-packages.sh

lint: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: .venv/dev
	$(BIN)/sphinx-build --quiet --fail-on-warning docs docs/_build

bench-chain: .venv/dev
	OMP_NUM_THREADS=1 OPENBLAS_NUM_THREADS=1 $(BIN)/python benchmarks/chain.py

bench-localization: .venv/peers
	$(BIN)/python benchmarks/localization/run.py --quick

bench-localization-full: .venv/peers
	$(BIN)/python benchmarks/localization/run.py --full

# The detector of the examples takes part, as one of your own would.
bench-detection: .venv/dev
	$(BIN)/python benchmarks/detection/run.py --quick --also examples/band_outlier.py:BandOutlier

bench-detection-full: .venv/dev
	$(BIN)/python benchmarks/detection/run.py --full --also examples/band_outlier.py:BandOutlier

bench-monitor: system .venv/dev
	$(BIN)/python benchmarks/monitor/run.py --quick

bench-monitor-full: system .venv/dev
	$(BIN)/python benchmarks/monitor/run.py --full

bench-study: .venv/dev
	$(BIN)/python benchmarks/study/run.py --quick

bench-study-full: .venv/dev
	$(BIN)/python benchmarks/study/run.py --full

.venv/bin/python:
	$(PYTHON) -m venv .venv

.venv/sim: .venv/bin/python pyproject.toml constraints.txt
	@echo "installing trad-array with its simulator into .venv ..."
	$(INSTALL) --editable ".[sim]"
	@touch $@

.venv/dev: .venv/bin/python pyproject.toml constraints.txt tests/requirements-no-deps.txt
	@echo "installing trad-array with everything for developers into .venv (torch is large) ..."
	$(INSTALL) --editable ".[dev]"
	$(INSTALL) --no-deps --requirement tests/requirements-no-deps.txt
	@touch $@ .venv/sim

.venv/peers: .venv/dev benchmarks/localization/requirements.txt benchmarks/localization/requirements-no-deps.txt
	@echo "installing other packages that localize, for comparison, into .venv ..."
	$(INSTALL) --requirement benchmarks/localization/requirements.txt
	$(INSTALL) --no-deps --requirement benchmarks/localization/requirements-no-deps.txt
	@touch $@

clean:
	rm -rf .venv demo build dist
