# `make demo` and `make test` do all their set-up themselves, once: it is repeated when pyproject.toml or the lock change.
# Plain POSIX make, so that the makes of Debian and macOS both read it.

PYTHON ?= python3
VENV = .venv
BIN = $(VENV)/bin
PIP = $(BIN)/python -m pip --disable-pip-version-check install --quiet --no-compile --constraint requirements.lock
# On all cores, where pip has one; without the packages' own tests, and without a word on the templates in some
# of them that are no Python.
COMPILE = $(BIN)/python -m compileall -qq -j 0 -x '/tests/' $(VENV)/lib >/dev/null 2>&1 || true
# Two processes with a thread each: torch's threads would wait for one another on cores that are not free.
PYTEST = OMP_NUM_THREADS=1 .ci/with_display.sh $(BIN)/python -m pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder

.PHONY: demo test coverage lint docs bench bench-registration fuzz lock clean libraries

demo: $(VENV)/demo.bytecode
	$(BIN)/shapereg demo -o demo_output

# What waits for the network or for the disk leaves its core to the rest.
test:
	$(MAKE) -j 3 libraries $(VENV)/demo.bytecode $(VENV)/test.stamp
	$(MAKE) -j 3 docs lint $(VENV)/test.bytecode
	$(PYTEST)

# Apart from the tests, which take a third longer when every branch is noted.
coverage: $(VENV)/test.bytecode libraries
	$(PYTEST) --cov --cov-report=term

lint: $(VENV)/test.stamp
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: $(VENV)/test.stamp
	$(BIN)/sphinx-build --fail-on-warning --keep-going --quiet -b html docs docs/_build/html

bench: $(VENV)/test.stamp
	$(BIN)/python tests/benchmarks/bench_engines.py
	$(BIN)/python tests/benchmarks/bench_transport.py
	$(BIN)/python tests/benchmarks/bench_registration.py

# ANTs, Greedy and elastix need other versions of NumPy and ITK than this project, so they have an environment
# of their own.
bench-registration: $(VENV)/test.stamp
	$(PYTHON) -m venv bench_output/peers
	bench_output/peers/bin/python -m pip install --quiet antspyx==0.6.3 picsl-greedy==1.4.0.3 itk-elastix==0.25.4
	$(BIN)/python tests/benchmarks/bench_peers.py --peers bench_output/peers/bin/python
	$(BIN)/python tests/benchmarks/bench_failures.py --peers bench_output/peers/bin/python
	$(BIN)/python tests/benchmarks/bench_ablations.py

# Before the docs, whose screenshots are of a real window.
libraries: $(VENV)/python.stamp
	.ci/system_libraries.sh $(BIN)/python

fuzz: $(VENV)/test.bytecode
	FUZZ_CASES=10000 HYPOTHESIS_PROFILE=search $(BIN)/python -m pytest tests/fuzz

lock: $(VENV)/test.stamp
	$(BIN)/python .ci/lock.py requirements.lock

clean:
	rm -rf $(VENV) build dist demo_output bench_output docs/_build docs/api docs/auto_examples docs/screenshots .coverage .*_cache

$(VENV)/python.stamp: pyproject.toml requirements.lock
	.ci/virtual_environment.sh $(PYTHON) $(VENV)
	touch $@

# torch comes first and alone: it is most of the download, and nothing else may choose its version.
$(VENV)/demo.stamp: $(VENV)/python.stamp
	@echo "make: installing torch"
	@$(PIP) torch
	@echo "make: installing shapereg"
	@$(PIP) --editable '.[report]'
	touch $@

$(VENV)/test.stamp: $(VENV)/demo.stamp
	@echo "make: installing napari and the tools of test, lint and docs"
	@$(PIP) --editable '.[all,test,docs]'
	touch $@

$(VENV)/demo.bytecode: $(VENV)/demo.stamp
	@$(COMPILE)
	touch $@

# While docs and lint leave a core idle; before the tests, which take a warning of Python's compiler for an error.
$(VENV)/test.bytecode: $(VENV)/test.stamp
	@$(COMPILE)
	touch $@
