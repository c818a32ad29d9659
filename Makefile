# The commands of this repository. `make` alone lists them.
# Python 3.11 or newer and make are all that `make demo` needs; everything else is installed into .venv.

.DEFAULT_GOAL := help
SHELL := /bin/sh
BIN := .venv/bin
export PYTHON
# Without bytecode on disk, each process of a run compiles every module and rewrites every test again.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help demo run test coverage torture backups rehearse mutants check package image bench format docs lock clean

help: ## Show this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

demo: .venv/.runtime ## Start the service beside a reference License Server, with a believable installation (-- --source: and an audit table)
	@$(BIN)/telemetry-service demo $(OPTIONS) $(ARGS)

# What follows two dashes, as in `make demo -- --source`, are options of the demo. For make, they are goals.
OPTIONS := $(filter --%,$(MAKECMDGOALS))
ifneq ($(OPTIONS),)
.PHONY: $(OPTIONS)
$(OPTIONS):
	@:
endif

run: .venv/.runtime ## Start the service with the settings of the environment
	@$(BIN)/telemetry-service serve

test: .venv/.dev .venv/.programs .venv/.clients ## Run all tests (ARGS="-k preview" for some of them)
	$(BIN)/python -m pytest $(ARGS)

coverage: .venv/.dev .venv/.programs .venv/.clients ## Run all tests with coverage measured; fail below the share in pyproject.toml
	$(BIN)/python -m pytest $(ARGS) --cov

torture: .venv/.dev ## Kill replicas and break everything around them at random (ARGS="--kills 1000 --json report.json")
	$(BIN)/python -m tests.torture $(ARGS)

backups: .venv/.dev ## Make 100 backups beside recording at full speed, restore each, and compare its counts (some minutes)
	BACKUPS=100 $(BIN)/python -m pytest -n 0 -s -o timeout=1800 tests/restore/test_backup.py -k at_full_speed

rehearse: .venv/.dev ## As root: boot the systemd unit, walk a newcomer's path, build and run the image, each on a bare Debian (about 15 minutes)
	$(BIN)/python -m pytest -n 0 -rs -o python_files='rehearse_*.py' -o timeout=1800 $(or $(ARGS),tests/rehearsal)

mutants: .venv/.dev ## Change the code of schedule, claims and periods in one place at a time: does a test notice? (about an hour)
	$(BIN)/python -m tests.mutants $(ARGS)

check: .venv/.dev ## Lint, and check types, layers, dependencies, spelling, prose, the API, the database schema and the generated pages
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo
	$(BIN)/deptry src migrations
	$(BIN)/deptry tests benchmarks .ci --config .ci/deptry_tests.toml
	$(BIN)/djlint --lint templates
	.ci/lint-web
	$(BIN)/codespell
	$(BIN)/python .ci/prose.py
	$(BIN)/hadolint Dockerfile
	PATH=$(BIN):$$PATH shellcheck .ci/check-schema .ci/environment .ci/foreign-clients .ci/lint-api .ci/lint-web .ci/lock .ci/node/install .ci/programs .ci/run docs/examples/bring-up.sh
	.ci/check-schema
	PYTHONPATH=. $(BIN)/python .ci/payload_schema.py --check
	$(BIN)/python .ci/payload_page.py --check
	PYTHONPATH=. $(BIN)/python .ci/troubleshooting_page.py --check
	$(BIN)/python .ci/log_events_table.py --check
	$(BIN)/python .ci/protocol_page.py --check
	$(BIN)/python .ci/metrics_table.py --check
	$(BIN)/python .ci/kubernetes_manifest.py --check
	.ci/lint-api
	PYTHONPATH=. $(BIN)/python .ci/contract.py

package: .venv/.runtime ## Build the service as a wheel, into dist/
	@$(BIN)/hatchling build -t wheel

image: .venv/.runtime ## Build the image with docker, podman or buildah, with its bill of materials and provenance (ARGS=--new-base)
	@$(BIN)/python .ci/image.py $(ARGS)

bench: .venv/.dev ## Measure recording, preview and the ledger on both databases, starts, and the reporter (some minutes)
	$(BIN)/python -m benchmarks.goals
	$(BIN)/python -m benchmarks.recording
	$(BIN)/python -m benchmarks.recording_http
	$(BIN)/python -m benchmarks.preview
	$(BIN)/python -m benchmarks.retention
	$(BIN)/python -m benchmarks.start
	$(BIN)/python -m benchmarks.ledger
	$(BIN)/python -m benchmarks.source
	$(BIN)/python -m benchmarks.reporter
	$(BIN)/python -m benchmarks.fleet

format: .venv/.dev ## Format the code, and repair what a linter can
	$(BIN)/ruff check --fix
	$(BIN)/ruff format
	.ci/lint-web --fix

docs: .venv/.dev ## Write the pages that are generated from the code
	PYTHONPATH=. $(BIN)/python .ci/payload_schema.py
	$(BIN)/python .ci/payload_page.py
	PYTHONPATH=. $(BIN)/python .ci/troubleshooting_page.py
	$(BIN)/python .ci/log_events_table.py
	$(BIN)/python .ci/protocol_page.py
	$(BIN)/python .ci/metrics_table.py
	$(BIN)/python .ci/kubernetes_manifest.py

lock: .venv/.dev ## Write the hash-pinned requirements again (ARGS=--upgrade takes newer ones)
	.ci/lock $(ARGS)

clean: ## Remove the environment and all caches; the databases stay
	rm -rf .venv .hypothesis .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .coverage .coverage.* build dist mutants

# The environment: a stamp for each stage, so that a second call has nothing to do.
.venv/.runtime: requirements/runtime.txt requirements/build.txt pyproject.toml .ci/environment
	@.ci/environment runtime
	@touch $@

.venv/.dev: requirements/dev.txt pyproject.toml .ci/environment
	@.ci/environment dev
	@touch $@ .venv/.runtime

.venv/.clients: requirements/clients.txt .ci/environment | .venv/.dev
	@.ci/environment clients
	@touch $@

.venv/.programs: .ci/programs .ci/node/package-lock.json | .venv/.dev
	@.ci/programs
	@touch $@
