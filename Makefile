# `make` alone lists the targets. PYTHON chooses the interpreter (>= 3.11) of a new .venv; CXX the compiler.
PYTHON ?= python3
VENV ?= .venv
ISAS ?= native
# What the compiled core can spoil; the other tests are of Python on top of it, the same for every build.
CORE_TESTS := tests/core tests/problem tests/dynamics tests/diffusion tests/test_promises.py
TESTS ?= OFF
SCALE ?= small
COUNT = $(BIN)/python tools/counts.py build/dev/cpp/tests/hot_loops cpp/tests/counts/counts.toml

BIN := $(abspath $(VENV))/bin
SOURCES := pyproject.toml CMakeLists.txt README.md LICENSE $(shell find python cpp/core cpp/bindings cmake -type f \
             \( -name '*.py' -o -name '*.pyi' -o -name '*.cpp' -o -name '*.hpp' -o -name '*.cmake' \))
CPP_FILES := $(shell find cpp -name '*.cpp' -o -name '*.hpp')
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.PHONY: help demo dev test counts debug sanitize races lint format bench clean
.DELETE_ON_ERROR:

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z ]+:.*## / {printf "  make %-21s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# --- environments -------------------------------------------------------------------------------------------------
# A stamp in the .venv says what is installed there: the package as users get it (.installed), or this tree (.develop).

$(VENV)/.created:
	@$(PYTHON) -c 'import sys; sys.exit("etaflow needs Python >= 3.11: make PYTHON=python3.x" if sys.version_info < (3, 11) else 0)'
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	@touch $@

$(VENV)/.installed: $(SOURCES) | $(VENV)/.created
	$(BIN)/python -m pip install ".[lab]"
	@touch $@

$(VENV)/.develop: pyproject.toml tools/requirements.py | $(VENV)/.created
	$(BIN)/python tools/requirements.py build lab test > $(VENV)/requirements.txt
	$(BIN)/python -m pip install --quiet -r $(VENV)/requirements.txt
	@echo 'import sys; sys.path.insert(0, "$(CURDIR)/python")' > "$$($(BIN)/python -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/etaflow_dev.pth"
	@touch $@

$(VENV)/.lint: pyproject.toml tools/requirements.py | $(VENV)/.develop
	$(BIN)/python tools/requirements.py lint > $(VENV)/requirements-lint.txt
	$(BIN)/python -m pip install --quiet -r $(VENV)/requirements-lint.txt
	@touch $@

# --- use ----------------------------------------------------------------------------------------------------------

demo: $(if $(wildcard $(VENV)/.develop),dev,$(VENV)/.installed)  ## build, then reproduce experiment 5.3 of the thesis (SCALE=small)
	$(BIN)/python -m etaflow reproduce fleischmann-5.3 --scale $(SCALE) --out demo-output --overwrite

dev: $(VENV)/.develop  ## compile this tree in place, for this CPU (ISAS="base;v3;v4" or all for more)
	@$(BIN)/cmake --preset dev --log-level=WARNING -DPython_EXECUTABLE=$(BIN)/python -DCMAKE_MAKE_PROGRAM=$(BIN)/ninja \
	  "-DETAFLOW_ISAS=$(ISAS)" -DETAFLOW_BUILD_TESTS=$(TESTS) > /dev/null
	$(BIN)/cmake --build --preset dev

test:  ## all builds, C++ tests, instruction counts, Python tests and doctests (with every build of this CPU), the slow tests
	@$(MAKE) --no-print-directory dev ISAS=all TESTS=ON
	$(BIN)/ctest --test-dir build/dev --output-on-failure
	$(COUNT)
	$(BIN)/python -m pytest
	for isa in $$($(BIN)/python -c 'from etaflow._core import isa; print(*[other for other in ("base", "v3", "v4") if other < isa])'); do \
	  echo "ETAFLOW_ISA=$$isa"; ETAFLOW_ISA=$$isa $(BIN)/python -m pytest -q $(CORE_TESTS) || exit 1; done
	$(BIN)/python -m pytest tests -m slow

counts:  ## accept the instruction counts of the hot loops as they are today (valgrind)
	@$(MAKE) --no-print-directory dev ISAS=all TESTS=ON
	$(COUNT) --accept

debug sanitize races: $(VENV)/.develop  ## the C++ tests with assertions and warnings as errors, or with ASan and UBSan, or TSan
	$(BIN)/cmake --preset $@ -DPython_EXECUTABLE=$(BIN)/python -DCMAKE_MAKE_PROGRAM=$(BIN)/ninja
	$(BIN)/cmake --build --preset $@
	$(BIN)/ctest --preset $@

lint: $(VENV)/.lint dev  ## style, types, the core's stub, who imports whom, C++ format
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	MYPYPATH=python $(BIN)/python -m mypy.stubtest etaflow._core etaflow._cpu --allowlist tools/stubtest_allowlist.txt
	$(BIN)/lint-imports
	$(BIN)/clang-format --dry-run -Werror $(CPP_FILES)

format: $(VENV)/.lint  ## put Python and C++ into the house's format
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	$(BIN)/clang-format -i $(CPP_FILES)

bench: dev  ## the measured table, with the peers in the same run (installs PyTorch and JAX)
	$(BIN)/python tools/requirements.py bench > $(VENV)/requirements-bench.txt
	$(BIN)/python -m pip install --quiet -r $(VENV)/requirements-bench.txt
	env -u OPENBLAS_CORETYPE -u OPENBLAS_NUM_THREADS -u OMP_NUM_THREADS -u MKL_NUM_THREADS -u ETAFLOW_NUM_THREADS \
	  $(BIN)/python -m pytest bench --benchmark-only

clean:  ## remove what was built, not the .venv
	rm -rf build dist wheelhouse demo-output python/etaflow/*.so .pytest_cache .mypy_cache .ruff_cache .import_linter_cache
