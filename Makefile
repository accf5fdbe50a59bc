# One door for commands. `make demo` and `make test` work as the first command after `git clone`.
VENV   := .venv
BIN    := $(VENV)/bin
PYTHON ?= $(shell command -v python3.11 || command -v python3)
NATIVE := $(shell find shm feedhandler/native -name '*.hpp' -o -name '*.cpp') CMakeLists.txt
DEMO_ARGS ?=
BENCH_ARGS ?=
PYTEST_ARGS ?=
SOAK_SECONDS ?= 600
FUZZ_ARGS ?=

.PHONY: demo test test-services check bench soak fuzz dist clean build format

build: $(VENV)/.built

$(VENV)/.deps: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo "installing tools into $(VENV)"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group build --group dev
	@touch $@

$(VENV)/.built: $(VENV)/.deps $(NATIVE)
	@echo "building feedhandler"
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pip install --quiet --disable-pip-version-check --no-build-isolation --editable .
	@$(BIN)/python -m nanobind.stubgen -q -m feedhandler._native -o feedhandler/_native.pyi
	@touch $@

demo: build
	@$(BIN)/feedhandler demo $(DEMO_ARGS)

test: build
	@$(BIN)/python -m pytest tests -n 2 -m "not service and not soak" $(PYTEST_ARGS)

test-services: build
	@$(BIN)/python -m pytest tests -m service $(PYTEST_ARGS)

soak: build
	@SOAK_SECONDS=$(SOAK_SECONDS) $(BIN)/python -m pytest tests -m soak $(PYTEST_ARGS)

fuzz: build
	@$(BIN)/python -m tests.fuzz.native_targets $(FUZZ_ARGS)

$(VENV)/.perf: $(VENV)/.deps
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group perf && touch $@ || echo "some peers are missing"

bench: build $(VENV)/.perf
	@$(BIN)/python -m perf.bench $(BENCH_ARGS)

check: build
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/clang-format --dry-run --Werror $$(git ls-files '*.hpp' '*.cpp')
	@$(BIN)/python -m pytest -q tests/tidy

format: build
	@$(BIN)/ruff check --fix-only --quiet . || true
	@$(BIN)/ruff format --quiet .
	@$(BIN)/clang-format -i $$(git ls-files '*.hpp' '*.cpp')

dist: $(VENV)/.deps
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(BIN)/python -m pip wheel --quiet --no-deps --no-build-isolation --wheel-dir dist .

clean:
	rm -rf build dist .venv var .pytest_cache .mypy_cache .ruff_cache .hypothesis
