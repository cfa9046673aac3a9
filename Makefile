# `make up` deploys to the sandbox, `make test` checks everything; both work in a fresh clone.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
# The Python packages install while Go builds.
MAKEFLAGS += --jobs=2 --no-print-directory

PYTHON ?= python3
STACK ?= dev
SANDBOX ?= core
# Without a stack named on the command line, `make explain` compares all presets of the sandbox.
NAMED_STACK = $(if $(filter command line environment,$(origin STACK)),--stack "$(STACK)")
A_MODEL = $(or $(MODEL),$(error MODEL is missing; name one: make $@ MODEL=mistral-7b-instruct))
STACK_FILE := Pulumi.$(STACK).yaml

# In two steps, since `eval` of nothing succeeds.
IN_ENV = values=$$($(PYTHON) -m tools.environment); eval "$$values";
IN_CLUSTER = values=$$(.venv/bin/python -m tools.environment --cluster); eval "$$values";
# The CLI adds its encryption salt to the stack file; the salt is in the state too, so the committed
# file is put back as it was.
KEEP_STACK_FILE = kept=$$(mktemp); cp $(STACK_FILE) "$$kept"; \
  trap 'cp "$$kept" $(STACK_FILE); rm -f "$$kept"' EXIT;
SELECT_STACK = pulumi stack select --create --stack $(STACK) > /dev/null;

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

.PHONY: up
up: packages engine ## Start the sandbox and deploy the dev stack (SANDBOX=full runs KEDA and Traefik)
	@$(IN_ENV) python -m sandbox start $(SANDBOX); $(KEEP_STACK_FILE) $(SELECT_STACK) \
	  pulumi up --yes --skip-preview --stack $(STACK) || \
	  { python -m cluster diagnose --stack $(STACK) >&2; exit 1; }

.PHONY: preview
preview: packages engine ## Show what `make up` would change
	@$(IN_ENV) $(KEEP_STACK_FILE) $(SELECT_STACK) pulumi preview --stack $(STACK)

.PHONY: destroy
destroy: packages engine ## Remove the stack's objects from its cluster, all but a protected cache
	@$(IN_ENV) $(KEEP_STACK_FILE) pulumi destroy --yes --exclude-protected --stack $(STACK); \
	  pulumi stack export --stack $(STACK) | .venv/bin/python -m tools.protected_claims

.PHONY: diagnose
diagnose: packages ## Say why the stack's pods do not run
	@$(IN_CLUSTER) .venv/bin/python -m cluster diagnose --stack $(STACK)

.PHONY: explain
explain: packages ## Say which preset serves MODEL, and why (STACK=NAME or PRESETS=FILE)
	@.venv/bin/python -m planning explain "$(A_MODEL)" $(if $(PRESETS),--presets "$(PRESETS)",$(NAMED_STACK))

.PHONY: lock
lock: packages ## Pin MODEL and its facts in the catalogue, from the Hugging Face Hub
	@.venv/bin/python -m planning lock "$(A_MODEL)"

.PHONY: bench-sizing
bench-sizing: packages ## Compare the memory model with published start-up lines of vLLM
	@.venv/bin/python -m benchmarks.sizing

.PHONY: bench-planning
bench-planning: packages ## Time the planning of one model and of the whole catalogue
	@.venv/bin/python -m benchmarks.planning

.PHONY: bench-up
bench-up: packages engine ## Compare a fresh `pulumi up` with one of the same objects without the program
	@$(IN_ENV) python -m benchmarks.up

.PHONY: down
down: packages ## Stop the sandbox; its data stays
	@.venv/bin/python -m sandbox stop

.PHONY: clean
clean: ## Stop the sandbox and remove all local state, the stack of `make up` with it
	@[ ! -x .venv/bin/python ] || .venv/bin/python -m sandbox stop --wipe
	@rm -rf .state .venv .pytest_cache .ruff_cache .hypothesis

.PHONY: env
env: ## Print the environment of this clone: eval "$(make -s env)"
	@$(PYTHON) -m tools.environment

.PHONY: test
test: packages-dev test-tools ## Run every check and every test
	@$(IN_ENV) status=0; .ci/checks || status=1; pytest || status=1; exit $$status

.PHONY: lint
lint: packages-dev actionlint ## Run the static checks only
	@$(IN_ENV) .ci/checks

.PHONY: packages packages-dev engine test-tools actionlint
packages: .venv/.runtime
packages-dev: .venv/.development

engine:
	@$(PYTHON) -m tools install engine core $(filter full,$(SANDBOX))

test-tools:
	@$(PYTHON) -m tools install engine core full tests actionlint policies

actionlint:
	@$(PYTHON) -m tools install actionlint

.venv/.runtime: requirements.txt
	@$(PYTHON) tools/virtual_environment.py requirements.txt $@

.venv/.development: requirements.txt requirements-dev.txt
	@$(PYTHON) tools/virtual_environment.py requirements-dev.txt $@
