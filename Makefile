# Set-up is automatic: git, make, python3 and a network are enough.
# Marker files record what was made, so that it is not made again.

UV_VERSION := 0.13.9
UV := .tools/bin/uv
PYTHON := .venv/bin/python
SAM := $(PYTHON) -m tools.sam
# Each is locked from its .in file. The order matters: later ones are constrained by earlier ones.
LOCKS := layers/dependencies/requirements layers/emails/requirements \
	requirements/dev requirements/sam requirements/checkov requirements/ministack \
	$(foreach peer,chalice fastapi flask floor,bench/peers/$(peer)/requirements)
# Each lock has this in its header, where Dependabot reads the options.
HOW := uv pip compile --universal --python-version 3.13 --generate-hashes
COMPILE := UV_CUSTOM_COMPILE_COMMAND="make lock: $(HOW)" $(HOW) \
	--quiet --no-emit-index-url --no-emit-find-links
BUILT_FROM := template.yaml samconfig.toml requirements/sam.txt \
	$(shell find functions layers -type f -not -name '*.pyc' 2>/dev/null)
OPTIONS = $(if $(PORT),--port $(PORT))
STACK_OPTIONS = $(OPTIONS) $(if $(filter off,$(MAILER)),--mailer off)
CHECKS := types template weaknesses code locks vulnerabilities
# Four at a time keep two processors busy, since many tests wait. A file's tests stay together, and
# each worker deploys its own stack.
PARALLEL := --numprocesses 4 --dist loadfile --no-loadscope-reorder

# Keep Python's bytecode. Otherwise each of hundreds of processes would compile its imports again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help setup emails build sbom demo local preview pictures browser unit test proof ci check \
	$(CHECKS) audit lock contract example bench capacity fuzz clean

help: ## list all commands
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

emails: setup ## check brands, texts and templates: every email, in about a second
	@$(PYTHON) -m emails_build

build: .aws-sam/.built sbom ## build functions and layers into .aws-sam/build

# The emails come first: SAM would surround what is wrong with its own output.
.aws-sam/.built: .venv/.synced $(BUILT_FROM)
	@$(PYTHON) -m emails_build
	@echo "build: functions and layers"
	$(SAM) build
	@touch $@

sbom: build/sbom.cdx.json ## write the bill of materials of what is deployed, in CycloneDX

build/sbom.cdx.json: .venv/.synced tools/sbom.py pyproject.toml \
		layers/dependencies/requirements.txt
	@$(PYTHON) -m tools.sbom $@

demo: setup ## deploy locally, post every fixture, show the emails, then a page that plays Roomle; ONCE=1 to end before the page, PORT=n for other ports, MAILER=off for a stack without a mailer
	@$(PYTHON) -m tools.demo $(STACK_OPTIONS) $(if $(ONCE),--once)

local: setup ## deploy locally and stay in the foreground; PORT=n to choose the port, MAILER=off to consume its queue yourself
	@$(PYTHON) -m tools.stack $(STACK_OPTIONS)

preview: setup $(if $(PICTURES),browser) ## show all emails on a page; PICTURES=folder to write them as PNG instead, of one BRAND=, LANGUAGE= or EVENT= if given
	@$(PYTHON) -m tools.preview $(OPTIONS) $(if $(PICTURES),--pictures "$(PICTURES)") \
		$(if $(BRAND),--brand "$(BRAND)") $(if $(LANGUAGE),--language "$(LANGUAGE)") $(if $(EVENT),--event "$(EVENT)")

pictures: setup browser ## take the README's screenshots again, from a local stack
	@$(PYTHON) -m tools.pictures

browser: setup ## install Chromium, unless it is installed
	@$(PYTHON) -m tools.browser

unit: setup ## the fast loop: the unit tests, in parallel
	@$(PYTHON) -m pytest tests/unit --numprocesses auto

# pytest comes last, so that its closing line is the verdict.
test: setup ## all checks, and all tests that decide whether the product is right
	@$(MAKE) --no-print-directory --jobs=2 $(CHECKS) build browser
	@$(PYTHON) -m pytest $(PARALLEL)

# One after the other: some measure time, or use the whole machine.
proof: build browser ## the long campaigns: random faults, a burst, a worker's long life, fuzzing, every interruption, spam filters, HTML
	@$(PYTHON) -m tools.spamassassin
	@$(PYTHON) -m tools.html_checker
	@$(PYTHON) -m pytest -m proof

ci: ## what has to pass: make test, then make proof
	@.ci/run

check: setup ## code, types, template, locks, known vulnerabilities
	@$(MAKE) --no-print-directory --jobs=2 $(CHECKS)

code: setup
	$(PYTHON) -m ruff check
	$(PYTHON) -m ruff format --check

types: setup
	$(PYTHON) -m mypy

template: setup
	.venv/bin/cfn-lint template.yaml docs/examples/consumer/template.yaml docs/recipes/*.yaml
	$(SAM) validate --lint
	$(SAM) validate --lint --template docs/examples/consumer/template.yaml

weaknesses: setup
	$(UV) tool run --quiet --python $(abspath $(PYTHON)) --with-requirements \
		requirements/checkov.txt --from checkov checkov --config-file .checkov.yaml

locks: setup
	@scratch=$$(mktemp -d) && trap 'rm -rf "$$scratch"' EXIT && for lock in $(LOCKS); do \
		cp $$lock.txt $$scratch/ && (cd $$(dirname $$lock) && \
			PATH="$(CURDIR)/.tools/bin:$$PATH" $(COMPILE) -o $$scratch/$$(basename $$lock).txt \
			$$(basename $$lock).in >/dev/null) && \
		diff -u $$lock.txt $$scratch/$$(basename $$lock).txt || \
		{ echo "$$lock.txt does not match $$lock.in: run 'make lock'"; exit 1; } \
	done; echo "locks are current"

# If nothing can be looked up (2), the checks pass, but `make audit` doesn't.
vulnerabilities: setup
	@$(PYTHON) -m tools.audit $(LOCKS:%=%.txt) || [ $$? -eq 2 ]

audit: setup ## look for known vulnerabilities in all locks; also fails if that can't be looked up
	@$(PYTHON) -m tools.audit $(LOCKS:%=%.txt)

bench: build ## measure functions and peers, write docs/performance.md; best on an idle machine
	@$(PYTHON) -m bench measure
	@$(PYTHON) -m bench report

capacity: setup ## calculate docs/capacity.md again from the measurements
	@$(PYTHON) -m bench.capacity report

fuzz: setup ## fuzz token and event for MINUTES=n (10), keep inputs that reach new code
	@$(PYTHON) -m tests.faults.fuzz.runs $(or $(MINUTES),10)

example: setup ## after a change of the example in layers/emails: copy it to the tests' own, tests/emails
	@$(PYTHON) -m tests.emails_package

contract: setup ## write docs/openapi.json, docs/asyncapi.json and docs/schemas from the code
	@$(PYTHON) -m tools.contract

lock: $(UV) ## lock the packages of the .in files, with hashes; UPGRADE=1 for newer versions
	@for lock in $(LOCKS); do echo "lock: $$lock.txt" && (cd $$(dirname $$lock) && \
		PATH="$(CURDIR)/.tools/bin:$$PATH" $(COMPILE) $(if $(UPGRADE),--upgrade) \
		-o $$(basename $$lock).txt $$(basename $$lock).in >/dev/null) || exit 1; done

clean: ## remove everything that was made
	rm -rf .tools .venv .aws-sam .local build .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
