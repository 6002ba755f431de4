# -*- coding: utf-8 -*-
"""Make .venv from the lock; do nothing when it agrees with the lock.

Uses only the standard library and syntax that old Python versions understand, because the script must report
that a Python is too old.
"""

import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
VENV = os.path.join(ROOT, ".venv")
PYTHON = os.path.join(VENV, "bin", "python")
LOCK = os.path.join(ROOT, "requirements.txt")
STAMP = os.path.join(VENV, "rollcall-setup")  # digest of the inputs of the environment
UNFINISHED = os.path.join(VENV, "rollcall-setup-unfinished")
NEEDED_BYTES = 1000 * 1024 * 1024  # size of the environment with byte code, and a reserve


class SetupFailed(Exception):
    """The set-up failed; the message has the cause and the next step in one line."""


def main(arguments):
    try:
        if arguments == ["--is-ready"]:
            return 0 if is_ready() else 1
        if arguments == ["--is-new-enough"]:
            check_version()
            return 0
        check_version()
        check_modules()
        if arguments == ["--is-suitable"]:
            return 0
        set_up()
    except SetupFailed as error:
        sys.stderr.write("%s\n" % error)
        return 1
    except KeyboardInterrupt:
        sys.stderr.write("\nInterrupted. `make setup` starts over where it is safe to.\n")
        return 130
    except EnvironmentError as error:
        sys.stderr.write("%s\n" % explain(str(error)))
        return 1
    return 0


def set_up():
    """Make or repair .venv, unless another set-up in this folder is running."""
    import fcntl

    folder = os.open(ROOT, os.O_RDONLY)
    try:
        fcntl.flock(folder, fcntl.LOCK_EX)  # the operating system releases it when the process ends
        if not is_ready():
            make_environment()
    finally:
        os.close(folder)


def make_environment():
    for folder in (ROOT, VENV):
        if os.path.exists(folder) and not os.access(folder, os.W_OK):
            raise SetupFailed(
                "%s is not writable for you. Make it yours, or clone the repository elsewhere." % folder
            )
    if must_start_over():
        if os.path.exists(VENV):
            say("Removing an environment that is unfinished or does not fit")
            shutil.rmtree(VENV)
        check_space()
        os.mkdir(VENV)
        write(UNFINISHED, "")
        say("Making .venv with Python %d.%d" % sys.version_info[:2])
        run([sys.executable, "-m", "venv", VENV])
    # an interruption after this point may leave a package half installed
    write(UNFINISHED, "")
    install_uv()
    say("Installing %d locked packages" % len(re.findall(r"(?m)^[\w.-]+==", read(LOCK))))
    try:
        uv("sync", "--require-hashes", "--compile-bytecode", LOCK)
    except SetupFailed as error:
        if "disk is full" in str(error):
            raise
        # uv does not read the machine's pip configuration
        say("uv could not, trying pip: %s" % error)
        run(
            [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            + ["--require-hashes", "--requirement", LOCK]
        )
    os.remove(UNFINISHED)
    uv("install", "--no-deps", "--no-build-isolation", "--offline", "--editable", ROOT)
    write(STAMP, fingerprint())
    say("Ready: .venv/bin/rollcall")


def is_ready():
    """Whether the environment is complete and made from the present inputs."""
    return (
        os.path.exists(PYTHON)
        and not os.path.exists(UNFINISHED)
        and (os.path.exists(STAMP) and read(STAMP) == fingerprint() and has_chosen_version())
    )


def must_start_over():
    """Whether .venv cannot be repaired: incomplete, moved, or without its Python."""
    if not os.path.exists(PYTHON) or os.path.exists(UNFINISHED) or not has_chosen_version():
        return True
    if os.path.exists(STAMP) and read(STAMP).splitlines()[1:] != [ROOT]:
        return True
    probe = "import pip, sys; sys.exit(not %r <= sys.version_info[:2] < %r)" % supported()
    return subprocess.call([PYTHON, "-c", probe]) != 0


def has_chosen_version():
    """Whether .venv has the Python version that the user chose, if any."""
    if not os.environ.get("PYTHON"):
        return True
    found = re.search(r"(?m)^version *= *(\d+)\.(\d+)", read(os.path.join(VENV, "pyvenv.cfg")))
    return bool(found) and (int(found.group(1)), int(found.group(2))) == sys.version_info[:2]


def fingerprint():
    """A digest of the environment's inputs and its path, which its scripts contain."""
    digest = hashlib.sha256()
    for name in (
        "requirements.txt",
        "pyproject.toml",
        os.path.join("scripts", "setup_environment.py"),
    ):
        digest.update(read(os.path.join(ROOT, name)).encode("utf-8"))
        digest.update(b"\0")
    return "%s\n%s\n" % (digest.hexdigest(), ROOT)


def supported():
    """The first supported Python version and the first unsupported one, by pyproject.toml."""
    pattern = r'requires-python *= *">=(\d+)\.(\d+),<(\d+)\.(\d+)"'
    numbers = [int(n) for n in re.search(pattern, read(os.path.join(ROOT, "pyproject.toml"))).groups()]
    return tuple(numbers[:2]), tuple(numbers[2:])


def check_version():
    first, beyond = supported()
    mine = sys.version_info[:2]
    if first <= mine < beyond:
        return
    wanted = "Rollcall needs Python %d.%d to %d.%d" % (first + (beyond[0], beyond[1] - 1))
    found = "%s is Python %d.%d" % ((sys.executable,) + mine)
    if mine < first:
        what_to_do = (
            "Install a newer one (Debian 12: apt install python3 python3-venv; elsewhere: "
            "https://www.python.org/downloads)"
        )
    else:
        what_to_do = "Its locked packages do not support that yet: install an older one as well"
    name_it = "make setup PYTHON=/path/to/python%d.%d" % first
    raise SetupFailed("%s, but %s. %s, or name one: %s" % (wanted, found, what_to_do, name_it))


def check_modules():
    try:
        import ensurepip  # noqa: F401
        import venv  # noqa: F401
    except ImportError as error:
        raise SetupFailed(
            "%s cannot make environments (%s). Install what is missing (Debian: apt install "
            "python%d.%d-venv), or name another Python: make setup PYTHON=/path/to/python3"
            % ((sys.executable, error) + sys.version_info[:2])
        )


def check_space():
    free = shutil.disk_usage(ROOT).free
    if free < NEEDED_BYTES:
        raise SetupFailed(
            "The disk is full: the environment needs %d MB, and %s has %d MB left. Free some "
            "space, then try again." % (NEEDED_BYTES >> 20, ROOT, free >> 20)
        )


def install_uv():
    """Install the locked uv with pip, from its lines of the lock."""
    block = re.search(r"(?m)^uv==(\S+) .*(?:\n +--hash=.*)+", read(LOCK))
    if block is None:
        raise SetupFailed("requirements.txt does not lock uv. Make it anew: make lock")
    if os.path.exists(os.path.join(VENV, "bin", "uv")):
        return
    handle, path = tempfile.mkstemp(suffix=".txt", dir=VENV)
    os.close(handle)
    try:
        write(path, block.group(0).rstrip(" \\\n") + "\n")
        run(
            [PYTHON, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
            + ["--require-hashes", "--no-deps", "--requirement", path]
        )
    finally:
        os.remove(path)


def uv(*arguments):
    program = os.path.join(VENV, "bin", "uv")
    run([program, "pip", arguments[0], "--quiet", "--python", PYTHON] + list(arguments[1:]))


def run(command):
    """Run a command; if it fails, print its output and raise with the cause."""
    process = subprocess.Popen(
        command,
        cwd=ROOT,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    output = process.communicate()[0].decode("utf-8", "replace")
    if process.returncode != 0:
        sys.stderr.write(output)
        raise SetupFailed(explain(output or "%s left with %d" % (command[0], process.returncode)))


def explain(output):
    """Summarise the error output of a program or of the system in one line."""
    if "No space left" in output or shutil.disk_usage(ROOT).free < 1024 * 1024:
        return "The disk is full. Free some space (%d MB are needed), then run make setup again." % (
            NEEDED_BYTES >> 20
        )
    if "Permission denied" in output or "Read-only file system" in output:
        return "%s is not writable for you. Make it yours, or clone the repository elsewhere." % ROOT
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    telling = [line for line in lines if re.match(r"(?i)(error|×)", line)] or lines[-1:]
    return (
        "The set-up failed: %s. Is the network, or the package index, reachable? "
        "Then run make setup again." % telling[-1].rstrip(".")
    )


def say(text):
    sys.stderr.write("setup: %s\n" % text)
    sys.stderr.flush()


def read(path):
    with io.open(path, encoding="utf-8") as file:
        return file.read()


def write(path, text):
    with open(path, "w") as file:
        file.write(text)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
