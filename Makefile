# The one list of commands, for people and CI. `make` alone prints it.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# On two cores: tests of servers and of killed processes wait much.
TEST_WORKERS ?= 3

.PHONY: help install bedtools demo real test coverage test-slow test-all test-long printed-commands test-newest test-oldest check docs format bench bench-gpu bench-peers clean
help:            ## this list
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 12

install: $(VENV)/.installed bedtools    ## virtual environment with everything, in .venv

# --clear: on top of an environment of another Python, venv leaves a mixture of both that cannot import ssl.
# torch comes first and pinned: a plain `torch` may pull several GB that are not needed here. setuptools warns of every
# editable installation of a package that is the repository's own folder, as this one is.
$(VENV)/.installed: pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Python 3.11 or newer is needed; give one as: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt torch
	$(BIN)/python -W 'ignore:Editable installation' -m pip install --quiet --disable-pip-version-check \
	  -c constraints.txt -e '.[dev]'
	@touch $@

bedtools:
	@command -v bedtools >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
	  { apt-get -qq update && apt-get -qq install -y bedtools; } >/dev/null; } || \
	  { echo "bedtools is needed: sudo apt-get install bedtools, conda install -c bioconda bedtools, or brew install bedtools"; exit 1; }

demo: install    ## made-up experiment: files, store, model, predictions, pictures in build/demo
	PATH="$(abspath $(BIN)):$$PATH" bash docs/demo.sh build/demo

real: install    ## real chr20: CTCF as published; CTCF, MAX and TAF1 as recommended; scored in HeLa-S3, in build/real
	PATH="$(abspath $(BIN)):$$PATH" bash docs/real.sh build/real CTCF MAX TAF1

test: install    ## tests (those on real data skip themselves without it)
	$(BIN)/python -m pytest -q -m "not slow and not alone" -n $(TEST_WORKERS) --dist loadfile
	$(BIN)/python -m pytest -q -m "alone and not slow"

coverage: install    ## the tests, and the share of lines of etl, model and store that they run
	PYTEST_ADDOPTS="--cov --cov-append --cov-report=term" $(MAKE) test

test-slow: install    ## the long tests that `make test` leaves out (15 minutes)
	$(BIN)/python -m pytest -q -m "slow and not alone" -n $(TEST_WORKERS) --dist loadfile
	$(BIN)/python -m pytest -q -m "slow and alone"

test-all: install    ## all tests, the long ones too
	$(BIN)/python -m pytest -q

test-long: test-all    ## all of it, and every fault: 200 killed builds, 1,000 damaged objects, 1,200 damaged files, 20 preempted trainings, pairs of commands, system calls, printed commands
	FACTORNET_LONG=1 $(BIN)/python -m pytest -q tests/etl/builders/test_disk_faults.py -k disk_call_fails
	$(BIN)/python tests/stress/kill_build.py --runs 200
	$(BIN)/python tests/stress/damage_store.py --faults 1000
	$(BIN)/python tests/stress/damage_models.py --flips 1000 --cuts 200
	$(BIN)/python tests/stress/preempt_training.py --moments 20
	PYTHONPATH=tests $(BIN)/python -m stress.pairs_of_commands --rounds 5
	PYTHONPATH=tests $(BIN)/python -m stress.pairs_of_commands --rounds 5 --no-flock
	PYTHONPATH=tests $(BIN)/python -m stress.system_calls --runs 50 --failures 60    # Linux with strace; two hours

	$(MAKE) printed-commands

printed-commands: install    ## run every command of README and docs where small things stand for large ones, into docs/printed-commands.md (15 minutes)
	mkdir -p build
	PYTHONPATH=tests $(BIN)/python -m stress.printed_commands > build/printed-commands.md
	mv build/printed-commands.md docs/printed-commands.md

test-newest:     ## reading and building on Python 3.13 with the newest libraries and without torch
	tests/stress/newest_python.sh -n 2

test-oldest:     ## the tests with the oldest libraries that pyproject.toml allows
	tests/stress/oldest_libraries.sh -n $(TEST_WORKERS) --dist loadfile

check: install    ## format, lint, types, documentation, tests
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(MAKE) docs
	$(MAKE) test

docs: install    ## the documentation as a site, in build/site: every link and reference has to lead somewhere
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

format: install    ## put the code into its form
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench: install   ## measure against peers: a table and benchmarks/results.json (20 minutes, quiet machine)
	$(BIN)/python benchmarks/run.py

bench-gpu: install    ## check every path of a GPU against the CPU, and time them, into build/gpu.json (3 minutes)
	mkdir -p build
	$(BIN)/python benchmarks/gpu.py --out build/gpu.json

bench-peers:     ## loaders to compare with, in environments of their own in build/
	$(PYTHON) -m venv build/gvl-venv
	build/gvl-venv/bin/python -m pip install --quiet --disable-pip-version-check genvarloader==0.43.1
	$(PYTHON) -m venv build/peers-venv
	build/peers-venv/bin/python -m pip install --quiet --disable-pip-version-check numpy pysam==0.24.1 pybigtools==0.3.0

clean:           ## remove what the other targets made
	rm -rf build dist $(VENV) *.egg-info
