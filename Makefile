.PHONY: setup run test test-slow check bench fmt

setup: ; @scripts/setup.sh

run: ; @scripts/run.sh

test: ; @scripts/setup.sh --for-tests && .venv/bin/python -m pytest -m "not slow"

test-slow: ; @scripts/setup.sh --for-tests && .venv/bin/python -m pytest -m slow

check: ; @scripts/setup.sh && .venv/bin/python scripts/check.py

bench: ; @scripts/setup.sh && .venv/bin/python scripts/bench.py

fmt: ; @scripts/setup.sh && .venv/bin/ruff format . && .venv/bin/ruff check --fix .
