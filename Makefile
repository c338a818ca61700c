# Everything this repository can do, from a machine with Python >= 3.11 and make. `make` lists it.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-print-directory --no-builtin-rules

PYTHON ?= python3
PORT ?= 8080
# Three workers for the two cores of the smallest machine that we support: much of a test is waiting.
JOBS ?= 3
SEED ?= 0
VENV := .venv
BIN := $(VENV)/bin
MEC := .venv-mec
MINISTACK := .venv-ministack
CDK := infra/node_modules
COMPILE := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	--no-emit-find-links --custom-compile-command "make lock"
# Heavy and outside suites are chosen by name, never by accident.
ORDINARY := not integration

.PHONY: help run test pr check lint format proof bench demo integration synth aws-local aws-smoke aws-test train-device lock upgrade-lock clean

help: ## This list
	@awk -F':.*## ' '/^[a-z-]+:.*## /{printf "  make %-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

# ---- use it --------------------------------------------------------------------------------------

run: $(VENV)/.run ## Start the gateway in the sandbox on 127.0.0.1 (PORT=8080)
	@printf '%s\n' 'When it says ready, in another terminal (KEY is the printed key):' \
	  "  curl -s 127.0.0.1:$(PORT)/inference -H \"authorization: Bearer \$$KEY\" -H 'content-type: application/json' \\" \
	  "       -d '{\"input\": \"set a timer for 5 minutes\"}'" \
	  '  any OpenAI client: base_url http://127.0.0.1:$(PORT)/v1, model "auto"' \
	  'Ctrl-C stops it.' >&2
	@exec $(BIN)/tierwise serve --sandbox --port $(PORT)

demo: $(VENV)/.run ## Play sixteen requests in the sandbox and print where each went and why
	@$(BIN)/tierwise demo

# ---- check it ------------------------------------------------------------------------------------

test: $(VENV)/.dev $(VENV)/.openai-suite $(MINISTACK)/.ready $(CDK)/.ready lint ## All checks and all tests (what CI runs; <= 15 minutes on two cores)
	@$(BIN)/python -m pytest -n $(JOBS) -m "$(ORDINARY)"

pr: test ## The same, before a pull request

check: $(VENV)/.dev lint ## Lint, types, import contracts, size limits, documents
	@$(BIN)/python -m pytest -q tests/architecture tests/docs

lint: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy $(wildcard router_core agents edge_runtime gateway infra benchmarks examples tests requirements deploy)
	@$(BIN)/lint-imports --no-logo

format: $(VENV)/.dev ## Format the code and fix what ruff can fix
	@$(BIN)/ruff format .
	@$(BIN)/ruff check --fix .

proof: $(VENV)/.dev ## The heavy suites at full size; writes benchmarks/RESULTS.md
	@$(BIN)/python -m pytest --proof --timeout 3600 -m proof
	@$(BIN)/python -m benchmarks

bench: $(VENV)/.dev ## Measure the decision and the gateway; writes benchmarks/RESULTS.md
	@$(BIN)/python -m benchmarks

integration: $(VENV)/.dev $(MEC)/.vllm ## The suites that need a real vLLM node (installs vLLM for CPU into .venv-mec: 3 GB)
	@TIERWISE_VLLM_PYTHON=$(abspath $(MEC))/bin/python $(BIN)/python -m pytest -m integration

synth: $(VENV)/.dev ## The templates of all three environments into cdk.out, judged; no account, no network
	@$(BIN)/python -O -m infra --out cdk.out

aws-local: $(VENV)/.dev $(CDK)/.ready ## Deploy the templates to a local AWS on 127.0.0.1:5556 and stay up
	@exec $(BIN)/python -m tests.localaws

aws-smoke: $(VENV)/.run ## Look at a deployment in a real account, reading only (ENV=dev URL=https://... TIERWISE_KEY=...)
	@$(BIN)/tierwise aws smoke --env $(or $(ENV),dev) $(if $(URL),--url $(URL))

aws-test: $(VENV)/.dev $(MINISTACK)/.ready $(CDK)/.ready ## Deploy the templates to local AWSs and drive them end to end, at full size
	@$(BIN)/python -m pytest -n 0 --proof --timeout 1200 tests/aws

# ---- make it -------------------------------------------------------------------------------------

train-device: $(VENV)/.train ## Train and export the device model again (SEED=0)
	@$(BIN)/python -m edge_runtime.training --out edge_runtime/models/intent-v1 --seed $(SEED)

lock: $(VENV)/.uv ## Bring the locks in line with pyproject.toml, keeping versions that still fit
	@$(COMPILE) requirements/uv.in -o requirements/uv.txt $(UPGRADE)
	@$(COMPILE) pyproject.toml requirements/build.in --extra edge --extra genai --extra aws --extra redis --extra tracing \
	  --extra xray --extra infra --extra scorer --extra deliberation --extra postgresql --extra mysql --extra test -o requirements/dev.txt $(UPGRADE)
	@$(COMPILE) pyproject.toml requirements/build.in --extra edge --extra aws --extra redis --extra scorer --extra deliberation --extra postgresql -c requirements/dev.txt -o requirements/run.txt
	@$(COMPILE) requirements/openai_suite.in -c requirements/dev.txt -o requirements/openai_suite.txt $(UPGRADE)
	@$(COMPILE) requirements/ministack.in -o requirements/ministack.txt $(UPGRADE)
	@$(COMPILE) pyproject.toml --extra train -c requirements/dev.txt --overrides requirements/train-overrides.in \
	  -o requirements/train.txt $(UPGRADE)

upgrade-lock: ## Take the newest versions into the locks
	@$(MAKE) lock UPGRADE=--upgrade

clean: ## Remove what make made, .venv included (var/ holds your records and stays)
	rm -rf $(VENV) $(MEC) $(MINISTACK) $(CDK) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# ---- installation: a stamp per set, newer than what it was made from; everything said goes to stderr ------------

$(VENV)/.uv: requirements/uv.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("Python >= 3.11 is needed: make PYTHON=python3.11")'
	@test -x $(BIN)/python || { echo "making $(VENV)" >&2; $(PYTHON) -m venv $(VENV); }
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r $< >&2
	@touch $@

$(VENV)/.run: requirements/run.txt requirements/install.py pyproject.toml $(VENV)/.uv
	@echo "installing $<" >&2
	@$(BIN)/python requirements/install.py $< >&2
	@touch $@

$(VENV)/.dev: requirements/dev.txt requirements/install.py pyproject.toml $(VENV)/.uv
	@echo "installing $<" >&2
	@$(BIN)/python requirements/install.py $< >&2
	@touch $@ $(VENV)/.run

$(VENV)/.openai-suite: requirements/openai_suite.txt requirements/openai_suite.py $(VENV)/.dev
	@echo "getting the tests of the openai client" >&2
	@$(BIN)/python requirements/install.py $< >&2
	@$(BIN)/python -m requirements.openai_suite $(VENV)/openai-suite >&2
	@touch $@

$(MINISTACK)/.ready: requirements/ministack.txt requirements/install_beside.py | $(VENV)/.dev
	@echo "installing $<" >&2
	@$(BIN)/python -m requirements.install_beside $< $(MINISTACK) >&2
	@touch $@

# Without npm, or without its registry, the templates are deployed without the CDK's command line.
$(CDK)/.ready: infra/package-lock.json
	@if command -v npm >/dev/null && (cd infra && npm ci --silent --no-audit --no-fund) >&2; then touch $@; \
	  else echo "the CDK's command line is not installed" >&2; fi

$(VENV)/.train: requirements/train.txt $(VENV)/.dev
	@echo "installing $< and torch" >&2
	@$(BIN)/python requirements/install.py $< >&2
	@# Outside the lock, see requirements/train-overrides.in: the machine's index chooses the build.
	@$(BIN)/python -m pip install --quiet torch==2.13.0 >&2
	@touch $@

$(MEC)/.vllm: requirements/install_vllm.py | $(VENV)/.dev
	@echo "installing vLLM for CPU into $(MEC)" >&2
	@test -x $(MEC)/bin/python || $(PYTHON) -m venv --without-pip $(MEC)
	@$(BIN)/python -m requirements.install_vllm $(MEC) >&2
	@touch $@
