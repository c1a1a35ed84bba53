#!/bin/sh
# The whole thing at once: environment, stack, demo on it; then it stays up until Ctrl-C.
set -eu
cd "$(dirname "$0")/.."
scripts/setup.sh
exec .venv/bin/ringlined up --data "${RINGLINE_DATA:-var}" --demo
