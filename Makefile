# All set-up happens by itself: git, make, python3 and a network are enough.
# What has been made is recorded by files, so that making it again costs nothing.

UV_VERSION := 0.13.9
UV := .tools/bin/uv
PYTHON := .venv/bin/python
SAM := $(PYTHON) -m tools.sam
# Each is locked from its .in file. The order matters: later ones are constrained by earlier ones.
LOCKS := layers/dependencies/requirements layers/emails/requirements \
	requirements/dev requirements/sam requirements/checkov requirements/ministack requirements/fuzz \
	$(foreach peer,chalice fastapi flask floor,bench/peers/$(peer)/requirements)
COMPILE := uv pip compile --quiet --universal --python-version 3.13 --generate-hashes \
	--no-header --no-emit-index-url --no-emit-find-links
BUILT_FROM := template.yaml samconfig.toml requirements/sam.txt \
	$(shell find functions layers -type f -not -name '*.pyc' 2>/dev/null)
OPTIONS = $(if $(PORT),--port $(PORT))

.DEFAULT_GOAL := help
.PHONY: help setup build sbom demo local preview pictures browser unit test proof check audit lock \
	contract bench capacity fuzz clean

help: ## list what can be made
	@sed -nE 's/^([a-z]+):.*## (.*)/  make \1 \t\2/p' Makefile | expand -t 16

setup: .venv/.synced ## install uv, the pinned packages, .venv/bin/roomle-mail

$(UV):
	@echo "setup: uv $(UV_VERSION)"
	@python3 -m venv .tools
	@.tools/bin/pip install --quiet --disable-pip-version-check uv==$(UV_VERSION)

.venv/.synced: requirements/dev.txt pyproject.toml .python-version | $(UV)
	@echo "setup: packages of requirements/dev.txt"
	@$(UV) venv --quiet --clear --python "$$(cat .python-version)" .venv
	@$(UV) pip sync --quiet --require-hashes --python $(PYTHON) requirements/dev.txt
	@$(UV) pip install --quiet --no-deps --no-build-isolation --python $(PYTHON) --editable .
	@touch $@

build: .aws-sam/.built sbom ## build functions and layers into .aws-sam/build

.aws-sam/.built: .venv/.synced $(BUILT_FROM)
	@echo "build: functions and layers"
	$(SAM) build
	@touch $@

sbom: build/sbom.cdx.json ## write the bill of materials of what is deployed, in CycloneDX

build/sbom.cdx.json: .venv/.synced tools/sbom.py pyproject.toml \
		layers/dependencies/requirements.txt
	@$(PYTHON) -m tools.sbom $@

demo: setup ## deploy locally, post every fixture, show the emails, then a page that plays Roomle; ONCE=1 to end before it
	@$(PYTHON) -m tools.demo $(OPTIONS) $(if $(ONCE),--once)

local: setup ## deploy locally and stay in the foreground; PORT=n to choose the port
	@$(PYTHON) -m tools.stack $(OPTIONS)

preview: setup $(if $(PICTURES),browser) ## all emails on a page; PICTURES=folder to write them as PNG instead
	@$(PYTHON) -m tools.preview $(OPTIONS) $(if $(PICTURES),--pictures "$(PICTURES)")

pictures: setup browser ## take the README's pictures again, of a stack that runs for it
	@$(PYTHON) -m tools.pictures

browser: setup ## a Chromium, unless there is one
	@$(PYTHON) -m tools.browser

unit: setup ## the fast loop: the unit tests, in parallel
	@$(PYTHON) -m pytest tests/unit -n auto

# pytest comes last, so that its closing line is the verdict.
test: check build browser ## all checks, and all tests that decide whether the product is right
	@$(PYTHON) -m pytest

proof: build browser ## the long campaigns: random faults, a burst, a worker's long life, fuzzing, every interruption
	@$(PYTHON) -m pytest -m proof

check: setup ## code, types, template, locks
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check
	$(PYTHON) -m mypy
	.venv/bin/cfn-lint template.yaml
	$(SAM) validate --lint
	$(UV) tool run --quiet --python $(abspath $(PYTHON)) --with-requirements \
		requirements/checkov.txt --from checkov checkov --config-file .checkov.yaml
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && for lock in $(LOCKS); do \
		cp $$lock.txt $$scratch/ && (cd $$(dirname $$lock) && \
			PATH="$(CURDIR)/.tools/bin:$$PATH" $(COMPILE) -o $$scratch/$$(basename $$lock).txt \
			$$(basename $$lock).in >/dev/null) && \
		diff -u $$lock.txt $$scratch/$$(basename $$lock).txt || \
		{ echo "$$lock.txt is not what $$lock.in asks for: run 'make lock'"; exit 1; } \
	done; echo "locks are current"
	@$(PYTHON) -m tools.audit $(LOCKS:%=%.txt) || [ $$? -eq 2 ] # where nothing can be looked up

audit: setup ## look for known vulnerabilities in all locks; fails where that can't be told, too
	@$(PYTHON) -m tools.audit $(LOCKS:%=%.txt)

bench: build ## measure functions and peers, write docs/performance.md; best on a machine with nothing else to do
	@$(PYTHON) -m bench measure
	@$(PYTHON) -m bench report

capacity: setup ## calculate docs/capacity.md again from what was measured
	@$(PYTHON) -m bench.capacity report

fuzz: setup ## fuzz token and event for MINUTES=n (10), keep what reaches new code
	@$(PYTHON) -m tests.faults.fuzz.runs $(or $(MINUTES),10)

contract: setup ## write docs/openapi.json and docs/schemas from the code
	@$(PYTHON) -m tools.contract

lock: $(UV) ## lock what the .in files ask for, with hashes; UPGRADE=1 to take newer versions
	@for lock in $(LOCKS); do echo "lock: $$lock.txt" && (cd $$(dirname $$lock) && \
		PATH="$(CURDIR)/.tools/bin:$$PATH" $(COMPILE) $(if $(UPGRADE),--upgrade) \
		-o $$(basename $$lock).txt $$(basename $$lock).in >/dev/null) || exit 1; done

clean: ## remove all that was made
	rm -rf .tools .venv .aws-sam .local build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
