"""The clean-ups that requests start, each in a process of its own."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import secrets
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from rollcall import console

__all__ = ["CleanUp", "CleanUps"]

COMMAND = ("-m", "rollcall", "clean", "--unattended", "--verify", "--json")
REMEMBERED = 100
LONGEST_SECONDS = 1_800  # as the units in docs/services.md
GRACE_SECONDS = 30  # to end in order
COUNTS = ("planned", "changed")


@dataclass
class CleanUp:
    """A clean-up that a request has started.

    Attributes:
        id: its name in the URL.
        exit_code: that of `rollcall clean`; none while it is at work.
        result: the JSON document that it printed.
    """

    id: str
    started_at: datetime
    finished_at: datetime | None = None
    exit_code: int | None = None
    result: dict[str, Any] | None = None

    @property
    def is_at_work(self) -> bool:
        return self.finished_at is None

    def to_json(self) -> dict[str, Any]:
        """Counts and the error's text; no key of a session."""
        result = self.result or {}
        skipped = result.get("skipped")
        return {
            "id": self.id,
            "state": "running" if self.is_at_work else "ended",
            "started_at": self.started_at.isoformat(),
            "finished_at": self.finished_at.isoformat() if self.finished_at else None,
            "exit_code": self.exit_code,
            "run_id": result.get("run_id"),
            **{name: result.get(name) for name in COUNTS},
            "skipped": None if skipped is None else len(skipped),
            "error": result.get("error"),
        }


class CleanUps:
    """Starts at most one clean-up at a time, and remembers the latest ones."""

    def __init__(self) -> None:
        self._known: dict[str, CleanUp] = {}
        self._process: asyncio.subprocess.Process | None = None
        self._ending: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._environment = dict(os.environ)  # dbt changes it while it compiles

    @property
    def at_work(self) -> CleanUp | None:
        latest = next(reversed(self._known.values()), None)
        return latest if latest is not None and latest.is_at_work else None

    def get(self, name: str) -> CleanUp | None:
        return self._known.get(name)

    def start(self) -> CleanUp:
        """Start a clean-up; call it only while none is at work."""
        started = CleanUp(secrets.token_hex(8), datetime.now(UTC))
        self._known[started.id] = started
        while len(self._known) > REMEMBERED:
            del self._known[next(iter(self._known))]
        self._ending = asyncio.create_task(self._run(started))
        return started

    async def stop(self) -> None:
        """End the process that is at work; it records its run before it ends."""
        self._is_stopping = True
        if self._ending is None:
            return
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.terminate()
        await asyncio.wait({self._ending}, timeout=GRACE_SECONDS)
        if self._process is not None and self._process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await self._ending

    async def _run(self, started: CleanUp) -> None:
        self._process = None
        try:
            # a session of its own: Ctrl-C reaches this process, which ends the other one
            self._process = await asyncio.create_subprocess_exec(
                sys.executable,
                *COMMAND,
                stdin=asyncio.subprocess.DEVNULL,
                stdout=asyncio.subprocess.PIPE,
                env=self._environment,
                start_new_session=True,
            )
            if self._is_stopping:
                self._process.terminate()
            out = await _output(self._process)
            started.exit_code = self._process.returncode
            with contextlib.suppress(ValueError):
                started.result = json.loads(out)
        except OSError as error:
            started.exit_code = 1
            started.result = {"error": f"The clean-up could not be started: {error.strerror}."}
        finally:
            started.finished_at = datetime.now(UTC)
            console.announce(f"clean-up {started.id} ended with exit code {started.exit_code}")


async def _output(process: asyncio.subprocess.Process) -> bytes:
    """Read what a process prints; after the longest time end it, at first in order."""
    reading = asyncio.ensure_future(process.communicate())
    for seconds, end in ((LONGEST_SECONDS, process.terminate), (GRACE_SECONDS, process.kill)):
        await asyncio.wait({reading}, timeout=seconds)
        if reading.done():
            break
        with contextlib.suppress(ProcessLookupError):
            end()
    return (await reading)[0]
