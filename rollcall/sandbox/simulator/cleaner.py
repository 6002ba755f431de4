"""Rollcall's clean-up beside the traffic, in a process that can be killed at any instant.

    python -m rollcall.sandbox.simulator.cleaner SECONDS

The process reads its configuration from the environment, as every command does. It compiles the project once,
then plans and cleans in a child process; a killed child is replaced at once. It writes a line of JSON to
standard output for the start of a child and for every clean-up.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections import Counter
from typing import Any

import psycopg

from rollcall.errors import RollcallError
from rollcall.settings.configuration import load_settings
from rollcall.workspace import Workspace

__all__ = ["clean_once", "main"]

NEEDED = ("cleanup_plan", "check_lease")
"""Compiled before the first child starts; dbt compiles the whole project with them."""


def main() -> None:
    """Clean at an interval in seconds, until standard input closes or a signal ends it."""
    every = float(sys.argv[1])
    # sys.exit instead of the default action, so that dbt removes its temporary files
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    workspace = Workspace(load_settings())
    for name in NEEDED:
        workspace.project.sql(name)
    while True:
        child = os.fork()
        if child == 0:
            _clean_for_ever(workspace, every)
        _say(child=child)
        _, status = os.waitpid(child, 0)
        if not os.WIFSIGNALED(status):
            return


def _clean_for_ever(workspace: Workspace, every: float) -> None:
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    parent = os.getppid()
    while os.getppid() == parent:
        started = time.monotonic()
        try:
            _say(**clean_once(workspace))
        except (RollcallError, psycopg.Error) as error:
            _say(error=f"{type(error).__name__}: {error}".strip().splitlines()[0])
        except BrokenPipeError:
            break
        time.sleep(max(0.0, every - (time.monotonic() - started)))
    os._exit(0)


def clean_once(workspace: Workspace) -> dict[str, Any]:
    """Plan and clean, as `rollcall clean` does."""
    from rollcall.ledger.runs import open_run
    from rollcall.steps.clean.cleaning import clean
    from rollcall.steps.plan.pending_work import make_plan

    pending = make_plan(workspace)
    with open_run(workspace, "clean", approved_by="rollcall simulate") as run:
        result = clean(workspace, run, pending)
    return {
        "run_id": result.run_id,
        "planned": result.planned,
        "changed": result.changed,
        "skipped": Counter(skip["reason"] for skip in result.skipped),
    }


def _say(**facts: Any) -> None:
    sys.stdout.write(json.dumps(facts) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
