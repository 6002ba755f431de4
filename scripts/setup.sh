#!/bin/sh
# Find a Python that can run Rollcall and let it make the environment: `make setup`.
# PYTHON=/some/python chooses one.
set -u
cd "$(dirname "$0")/.." || exit 1
job=scripts/setup_environment.py
# the environment must be made of the lock alone
unset PYTHONHOME PYTHONPATH VIRTUAL_ENV CONDA_PREFIX PIP_TARGET PIP_PREFIX PIP_USER

if [ -n "${PYTHON:-}" ]; then
    if ! command -v "$PYTHON" >/dev/null 2>&1; then
        echo "PYTHON=$PYTHON: there is no such command. Name a Python that is installed, or leave PYTHON out." >&2
        exit 1
    fi
    exec "$PYTHON" "$job"
fi

# nothing to do? then the answer must be instant
if [ -x .venv/bin/python ] && .venv/bin/python "$job" --is-ready 2>/dev/null; then
    exit 0
fi

unsuitable=
for python in python3.13 python3.12 python3.11 python3 python; do
    # a command may exist and not work, such as a version manager's shim
    "$python" -c pass >/dev/null 2>&1 || continue
    "$python" "$job" --is-suitable 2>/dev/null && exec "$python" "$job"
    unsuitable=${unsuitable:-$python}
    # one that is too old says less than one that only lacks a package
    "$python" "$job" --is-new-enough 2>/dev/null && unsuitable=$python && break
done
[ -n "$unsuitable" ] && exec "$unsuitable" "$job" # says what is wrong with it
echo "No Python was found. Install Python 3.11 or newer (Debian: apt install python3 python3-venv), or name one: make setup PYTHON=/path/to/python3" >&2
exit 1
