#!/bin/sh
# Make .venv from the lock, or leave one that agrees with it: `make setup`. PYTHON=/some/python chooses one.
set -u
cd "$(dirname "$0")/.." || exit 1
# the environment must be made of the lock alone
unset PYTHONHOME PYTHONPATH VIRTUAL_ENV CONDA_PREFIX PIP_TARGET PIP_PREFIX PIP_USER

python=.venv/bin/python
stamp=.venv/rollcall-setup # the inputs of a finished environment; without it, the environment is unfinished
needed_mb=1000             # size of the environment with byte code, and a reserve
full_disk="The disk is full. Free some space ($needed_mb MB are needed), then run make setup again."
not_writable="$PWD is not writable for you. Make it yours, or clone the repository elsewhere."

say() { echo "setup: $*" >&2; }
fail() { echo "$*" >&2 && exit 1; }

# The programs in .venv/bin name their Python in full, so a moved checkout needs new ones.
inputs() { cat requirements.txt pyproject.toml scripts/setup.sh | cksum && pwd; }

version() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null; }

# Read requires-python, of which the parts are minor versions of Python 3.
minor() { sed -n "s/^requires-python = \">=3\.\([0-9]*\),<3\.\([0-9]*\)\"\$/\\$1/p" pyproject.toml; }
oldest=$(minor 1)
beyond=$(minor 2)

is_supported() {
    case $(version "$1") in 3.*) ;; *) return 1 ;; esac
    found=$(version "$1") && found=${found#3.}
    [ "$found" -ge "$oldest" ] && [ "$found" -lt "$beyond" ]
}

is_chosen() { [ -z "${PYTHON:-}" ] || [ "$(version "$python")" = "$(version "$PYTHON")" ]; }

is_ready() { [ -x "$python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$(inputs)" ] && is_chosen; }

can_be_repaired() {
    is_supported "$python" && is_chosen && [ "$(sed -n 2p "$stamp" 2>/dev/null)" = "$(pwd)" ] &&
        "$python" -c 'import pip' 2>/dev/null
}

choose_python() {
    if [ -n "${PYTHON:-}" ]; then
        command -v "$PYTHON" >/dev/null 2>&1 ||
            fail "PYTHON=$PYTHON: there is no such command. Name a Python that is installed, or leave PYTHON out."
        chosen=$PYTHON
        return
    fi
    chosen=
    for candidate in python3.13 python3.12 python3.11 python3 python; do
        # a command may exist and not work, such as a version manager's shim
        [ -n "$(version "$candidate")" ] || continue
        chosen=$candidate
        is_supported "$candidate" && "$candidate" -c 'import ensurepip, venv' 2>/dev/null && return
    done
    [ -n "$chosen" ] || fail "No Python was found. Install Python 3.$oldest or newer (Debian: apt install python3" \
        "python3-venv), or name one: make setup PYTHON=/path/to/python3"
}

check_python() {
    if ! is_supported "$1"; then
        found="Rollcall needs Python 3.$oldest to 3.$((beyond - 1)), but $1 is Python $(version "$1")"
        fail "$found. Install one of these as well (Debian 12: apt install python3 python3-venv; elsewhere:" \
            "https://www.python.org/downloads), or name one: make setup PYTHON=/path/to/python3.$oldest"
    fi
    lacks=$("$1" -c 'import ensurepip, venv' 2>&1 | tail -n 1)
    [ -z "$lacks" ] || fail "$1 cannot make environments ($lacks). Install what is missing (Debian: apt install" \
        "python$(version "$1")-venv), or name another Python: make setup PYTHON=/path/to/python3"
}

check_space() {
    free_mb=$(df -Pk . | awk 'NR == 2 { print int($4 / 1024) }')
    [ "$free_mb" -ge "$needed_mb" ] || fail "The disk is full: the environment needs $needed_mb MB, and $PWD has" \
        "$free_mb MB left. Free some space, then try again."
}

# Run a command; if it fails, print its output and return with the cause in `cause`.
try() {
    output=$("$@" </dev/null 2>&1) && return
    [ -z "$output" ] || echo "$output" >&2
    cause=$(echo "$output" | grep -iE '^ *(error|×)' | tail -n 1)
    [ -n "$cause" ] || cause=$(echo "$output" | tail -n 1)
    case $output in
    *"No space left"*) fail "$full_disk" ;;
    *"Permission denied"* | *"Read-only file system"*) fail "$not_writable" ;;
    esac
    return 1
}

must() {
    try "$@" || fail "The set-up failed: ${cause%.}. Is the network, or the package index, reachable?" \
        "Then run make setup again."
}

pip_install() { "$python" -m pip install --quiet --disable-pip-version-check --require-hashes "$@"; }

install_uv() {
    # the lines of uv in the lock: its version and its hashes
    sed -n '/^uv==/,/[^\\]$/p' requirements.txt >.venv/uv.txt
    pip_install --no-deps --requirement .venv/uv.txt
}

is_ready && exit 0
[ -w . ] || fail "$not_writable"
if command -v flock >/dev/null; then
    exec 9<. && flock 9 # a second set-up in this folder waits for the first
    is_ready && exit 0
fi
if ! can_be_repaired; then
    choose_python
    check_python "$chosen"
    check_space
    [ ! -e .venv ] || say "Removing an environment that is unfinished or does not fit"
    rm -rf .venv
    say "Making .venv with Python $(version "$chosen")"
    must "$chosen" -m venv .venv
fi
rm -f "$stamp" # an interruption after this point may leave a package half installed
[ -x .venv/bin/uv ] || must install_uv
say "Installing $(grep -c '^[a-zA-Z0-9._-]*==' requirements.txt) locked packages"
if ! try .venv/bin/uv pip sync --quiet --python "$python" --require-hashes --compile-bytecode requirements.txt; then
    say "uv could not, trying pip: $cause" # uv does not read the machine's pip configuration
    must pip_install --requirement requirements.txt
fi
must .venv/bin/uv pip install --quiet --python "$python" --no-deps --no-build-isolation --offline --editable .
inputs >"$stamp"
say "Ready: .venv/bin/rollcall"
