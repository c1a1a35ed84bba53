#!/bin/sh
# Finds a Python that Ringline runs on and hands over to setup.py.
set -eu
cd "$(dirname "$0")/.."

for candidate in ${PYTHON:-} python3.11 python3.12 python3.13 python3; do
    if "$candidate" -c 'import sys; sys.exit(sys.version_info < (3, 11))' >/dev/null 2>&1; then
        exec "$candidate" scripts/setup.py "$@"
    fi
done
echo "setup: Ringline needs Python 3.11 or later (python3 here: $(python3 --version 2>&1))." >&2
echo "setup: install one, or name it: PYTHON=/path/to/python3.11 make setup" >&2
exit 1
