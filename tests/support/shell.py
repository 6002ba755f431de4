"""Shell scripts whose `rollcall` runs in the process of the test."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tests.support.command import run_here

# Without site-packages it starts in a few milliseconds. Its output comes when the command has ended.
PASSES_ON = """#!{python} -SI
import json, os, socket, sys
with socket.socket(socket.AF_UNIX) as connection:
    connection.connect({address!r})
    with connection.makefile("rw", encoding="utf-8") as messages:
        messages.write(json.dumps([sys.argv[1:], dict(os.environ), os.getcwd()]) + "\\n")
        messages.flush()
        code, out, err = json.loads(messages.readline())
sys.stdout.write(out)
sys.stderr.write(err)
sys.exit(code)
"""
WAIT = 0.05


def run_lines(
    lines: str, options: list[str], variables: Mapping[str, str], folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run lines in bash, with these options and variables, in a folder; `rollcall` is on the PATH."""
    with tempfile.TemporaryDirectory() as scratch, _listening(Path(scratch)) as listener:
        output, errors = Path(scratch, "out"), Path(scratch, "err")
        with output.open("w") as out, errors.open("w") as err:
            process = subprocess.Popen(
                ["bash", "--noprofile", "--norc", *options, "-c", lines],
                cwd=folder,
                env={**variables, "PATH": f"{scratch}:{variables['PATH']}"},
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
            )
            try:
                while process.poll() is None:
                    _answer(listener)
            finally:
                process.kill()
                process.wait()
        return subprocess.CompletedProcess(
            [lines], process.returncode, output.read_text("utf-8"), errors.read_text("utf-8")
        )


@contextmanager
def _listening(folder: Path) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX) as listener:
        address = str(folder / "socket")
        listener.bind(address)
        listener.listen()
        listener.settimeout(WAIT)
        command = folder / "rollcall"
        command.write_text(PASSES_ON.format(python=sys.executable, address=address))
        command.chmod(0o755)
        yield listener


def _answer(listener: socket.socket) -> None:
    """Run the command that the script passes on, if there is one now."""
    try:
        connection, _ = listener.accept()
    except TimeoutError:
        return
    connection.settimeout(None)
    with connection, connection.makefile("rw", encoding="utf-8") as messages:
        arguments, variables, folder = json.loads(messages.readline())
        done = run_here(arguments, variables, Path(folder))
        messages.write(json.dumps([done.returncode, done.stdout, done.stderr]) + "\n")
        messages.flush()
