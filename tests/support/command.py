"""The command in a process of its own, for tests of what a person sees."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.waiting import PATIENCE


def rollcall(
    *arguments: str, url: str | None = None, state: Path | None = None, **environment: str
) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, with no variable of ours but the given ones."""
    inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "ROLLCALL_"))}
    given = {"ROLLCALL_DATABASE_URL": url, "ROLLCALL_STATE_DIR": str(state) if state else None}
    variables = {key: value for key, value in given.items() if value is not None}
    return subprocess.run(
        [sys.executable, "-c", "from rollcall.cli import main; main()", *arguments],
        env={**inherited, **variables, **environment},
        cwd=ROOT,
        text=True,
        capture_output=True,
        stdin=subprocess.DEVNULL,
        timeout=PATIENCE,
        check=False,
    )


def heed_signals() -> None:
    """Let a new process be ended by signals, also where the tests run in the background or under nohup.

    Such a parent hands down that SIGINT or SIGHUP is ignored. For ``preexec_fn``.
    """
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
