# The two commands of a fresh machine:
#   make reproduce   set up, then regenerate every table and figure (scale demo, and open where its data is at hand)
#   make test        set up, then pass the linters and the tests, the whole workflow at scale smoke included
VENV ?= .venv
PYTHON ?= $(shell command -v python3.11 || command -v python3)
SCALE ?= demo
# Which tests, as pytest's -m: all but those that want a scheduler or an emulator of other processors; `TESTS=` is every one.
export TESTS ?= not cluster and not portability
# Which builds of PyTorch: those of the lock file, 6.6 GB with CUDA; or `make TORCH=cpu ...`: the same release without, a tenth of it.
TORCH ?= cuda
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
# Folders may have any name (spaces, quotes): recipes take this one from the environment, in double quotes.
export BIN := $(if $(filter /%,$(firstword $(VENV))),$(VENV),$(CURDIR)/$(VENV))/bin
# The set-up is redone when the lock file changes or the checkout that the environment points to moves.
LOCKED = $(shell cat requirements.lock pyproject.toml | sha256sum | cut -c 1-16)
STAMP = .rescore-$(LOCKED)-$(shell pwd | sha256sum | cut -c 1-8)
# A container's environment has the packages, and takes the sources of whichever checkout is mounted (PYTHONPATH).
IMAGE = .image-$(LOCKED)
export PATH := $(BIN):$(PATH)
# Containers run as a number without a name and a home that may be written; tools keep caches there that nothing depends on.
export HOME := $(shell test -w "$$HOME" && printf %s "$$HOME" || printf %s "$$PWD/.snakemake/home")
export USER := $(or $(USER),$(LOGNAME),$(shell id -un 2> /dev/null),user)

PIP = "$$BIN/python" -m pip install --quiet --disable-pip-version-check
define INSTALL_cuda
$(PIP) -r requirements.lock
endef
define INSTALL_cpu
awk '/^[a-z]/ { kept = !/^(torch|torchvision|triton|nvidia-.*|cuda-.*)==/ } kept' requirements.lock > "$$BIN/../requirements-cpu.lock"
	$(PIP) -r "$$BIN/../requirements-cpu.lock"
	$(PIP) --no-deps --index-url "$(TORCH_INDEX)" $(shell sed -nE 's/^(torch|torchvision)==([^ ]+).*/\1==\2+cpu/p' requirements.lock) || { echo "PyTorch without CUDA could not be had from $(TORCH_INDEX): pip says why above. Behind a mirror, make TORCH=cpu TORCH_INDEX=https://its/address setup; or leave TORCH out and take the builds with CUDA, which need no GPU." >&2; exit 1; }
endef

.PHONY: setup environment image reproduce test test-fast lint coverage docs clean

reproduce: setup
	snakemake --cores all --config scale=$(SCALE)
	@rescore controls
	@echo "Read results/$(SCALE)/index.html"

test: lint
	pytest -m "$$TESTS"

test-fast: setup
	pytest -m "not slow"

lint: setup
	ruff check .
	ruff format --check .
	mypy
	snakefmt --check Snakefile workflow

setup:
	@test -e "$$BIN/../$(STAMP)" || test -e "$$BIN/../$(IMAGE)" || $(MAKE) --no-print-directory environment

environment:
	"$(PYTHON)" -c "import sys; sys.exit(0 if sys.version_info[:2] == (3, 11) else 'requirements.lock is for Python 3.11: make PYTHON=/path/to/python3.11')"
	test -x "$$BIN/python" || "$(PYTHON)" -m venv "$${BIN%/bin}"
	$(INSTALL_$(TORCH))
	"$$BIN/python" -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --editable .
	rm -f "$$BIN"/../.rescore-*
	touch "$$BIN/../$(STAMP)"

image: environment
	touch "$$BIN/../$(IMAGE)"

# What only documents and coverage need is installed for these targets alone (requirements/).
coverage: setup
	$(PIP) -r requirements/coverage.lock
	pytest -m "not slow" --cov --cov-report=term:skip-covered --cov-report=xml

DOCS = .docs-venv
docs:
	test -x "$(DOCS)/bin/mkdocs" || "$(PYTHON)" -m venv "$(DOCS)"
	"$(DOCS)/bin/python" -m pip install --quiet --disable-pip-version-check -r requirements/docs.lock
	"$(DOCS)/bin/mkdocs" build --strict

clean:
	rm -rf data/demo data/smoke runs results/demo results/smoke results/open logs
