# `make` lists the targets. All of them need Python 3.11 to 3.13 and make, and no root.
.DEFAULT_GOAL := help
.PHONY: help setup run test test-ci test-all lint lint-python lint-types lint-imports lint-sql format docs bench lock clean-env

# libpq's variables reach no target, so that no production database is used by accident.
$(foreach name,$(filter PG%,$(.VARIABLES)),$(eval unexport $(name)))

bin := .venv/bin
linters := lint-python lint-types lint-imports lint-sql
sql := $(wildcard models macros analyses tests/dbt examples)

help: ## list the targets
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-18s %s\n", $$1, $$2 }'

setup: ## make .venv from the lock (PYTHON=… chooses a Python)
	@PYTHON='$(PYTHON)' sh scripts/setup.sh

run: setup ## assess, plan, migrate, clean, verify: on ROLLCALL_DATABASE_URL, or on a demo call centre
	@if [ -n "$$ROLLCALL_DATABASE_URL" ]; then exec $(bin)/rollcall run --history; else exec $(bin)/rollcall demo; fi

test: selected := not slow and not medium
test: setup ## check style and types and run the quick tests
	@$(tests)

test-ci: selected := not slow
test-ci: setup ## the same with the tests of medium length, as CI does
	@$(tests)

test-all: test-ci ## the same, and then the slow tests
	@$(bin)/python -m pytest $(workers) --dist worksteal -m slow --durations=25

# A crashed worker ends the run: with a replacement, pytest-xdist can wait for ever.
workers := -n 3 --max-worker-restart=0

# The tests run also where the linters fail: both results are shown, and either failure fails the target.
define tests
$(MAKE) --no-print-directory --keep-going -j2 $(linters) || export ROLLCALL_LINT_FAILED=1; \
$(bin)/python -m pytest $(workers) --dist loadfile -m '$(selected)' --durations=25 && [ -z "$$ROLLCALL_LINT_FAILED" ]
endef

lint: setup $(linters) ## check style and types only

lint-python:
	@$(bin)/ruff check
	@$(bin)/ruff format --check

lint-types:
	@$(bin)/mypy

lint-imports:
	@$(bin)/lint-imports --no-cache

lint-sql:
	@$(bin)/sqlfluff lint --processes 2 $(sql)

format: setup ## format Python and SQL
	@$(bin)/ruff check --fix
	@$(bin)/ruff format
	@$(bin)/sqlfluff fix $(sql)

docs: setup ## build the documentation site into site/; a broken link fails
	@NO_MKDOCS_2_WARNING=1 $(bin)/python -m mkdocs build --quiet --site-dir site
	@echo "The site is built: site/index.html"

bench: setup ## measure speed, as ratios
	@$(bin)/python -m benchmarks

lock: setup ## resolve requirements.txt from pyproject.toml
	@$(bin)/uv pip compile --quiet --universal --generate-hashes --no-emit-index-url --no-emit-find-links \
		--python-version 3.11 --extra dev pyproject.toml -o requirements.txt
	@sh scripts/setup.sh

clean-env: ## remove .venv
	rm -rf .venv
