"""The command as a user runs it: in the process of the test, or in a process of its own."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

from rollcall import console
from rollcall.cli import main
from tests.support.call_centre import share_compilations
from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE


def rollcall(
    *arguments: str, url: str | None = None, state: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in this process, with no variable of ours but the given ones.

    A process of its own imports Great Expectations and dbt anew, which takes seconds. `rollcall_process`
    starts one, for tests of the process itself: its encoding, its signals, what it imports.
    """
    return run_here([*arguments], _variables(url, state, environment), ROOT)


def rollcall_process(
    *arguments: str, url: str | None = None, state: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, with no variable of ours but the given ones."""
    return subprocess.run(
        [sys.executable, "-c", "from rollcall.cli import main; main()", *arguments],
        env=_variables(url, state, environment),
        cwd=ROOT,
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE,
        check=False,
    )


def _variables(url: str | None, state: Path | None, environment: Mapping[str, str]) -> dict[str, str]:
    inherited = {
        key: value for key, value in os.environ.items() if not key.startswith(("PG", "ROLLCALL_", "DBT_"))
    }
    given = {"ROLLCALL_DATABASE_URL": url, "ROLLCALL_STATE_DIR": str(state) if state else None}
    if state is not None:
        share_compilations(state)
    return {
        **inherited,
        **{key: value for key, value in given.items() if value is not None},
        **environment,
    }


def run_here(
    arguments: list[str], variables: Mapping[str, str], folder: Path
) -> subprocess.CompletedProcess[str]:
    """Run the command in this process, with just these variables and in this folder."""
    streams = [io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True) for _ in range(2)]
    code = 0
    with _as_process(arguments, variables, folder, streams):
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
    out, err = (stream.buffer.getvalue().decode() for stream in streams)  # type: ignore[attr-defined]
    return subprocess.CompletedProcess(["rollcall", *arguments], code, out, err)


@contextlib.contextmanager
def _as_process(
    arguments: list[str], variables: Mapping[str, str], folder: Path, streams: list[io.TextIOWrapper]
) -> Iterator[None]:
    """Give `main` the arguments, environment, folder and streams that a process would have."""
    before = dict(os.environ), Path.cwd(), sys.argv, sys.stdin, sys.stdout, sys.stderr
    with Path(os.devnull).open(encoding="utf-8") as nothing:
        try:
            _replace_environment(variables)
            os.chdir(folder)
            sys.argv = ["rollcall", *arguments]
            sys.stdin, (sys.stdout, sys.stderr) = nothing, streams
            console.use_stdout()
            yield
        finally:
            environment, previous, sys.argv, sys.stdin, sys.stdout, sys.stderr = before
            os.chdir(previous)
            _replace_environment(environment)
            console.use_stdout()


def _replace_environment(variables: Mapping[str, str]) -> None:
    for name in set(os.environ) - set(variables):
        del os.environ[name]
    os.environ.update(variables)


def heed_signals() -> None:
    """Let a new process be ended by signals, also where the tests run in the background or under nohup.

    Such a parent hands down that SIGINT or SIGHUP is ignored. For ``preexec_fn``.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
