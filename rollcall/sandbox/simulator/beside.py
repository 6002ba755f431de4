"""The clean-up process beside the traffic: start it, read its output, kill it, stop it."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from rollcall.errors import RollcallError
from rollcall.settings.configuration import Settings

__all__ = ["CleanerProcess"]

READY_SECONDS = 180.0
STOP_SECONDS = 30.0
ERRORS_BEFORE_READY = 3


class CleanerProcess:
    """Run `rollcall.sandbox.simulator.cleaner` beside the traffic.

    Attributes:
        passes: completed clean-ups.
        errors: errors of the other clean-ups, counted.
        skipped: reasons for skipped sessions, counted.
        kills: number of kills.
    """

    def __init__(self, settings: Settings, variables: Mapping[str, Any], every: float) -> None:
        self._settings = settings
        self._variables = variables
        self._every = every
        self._child: int | None = None
        self._ready = asyncio.Event()
        self._process: asyncio.subprocess.Process | None = None
        self._reader: asyncio.Task[None] | None = None
        self.passes = 0
        self.errors: Counter[str] = Counter()
        self.skipped: Counter[str] = Counter()
        self.kills = 0

    async def start(self) -> None:
        """Start the process, and wait until it has cleaned once.

        Raises:
            RollcallError: it ended, or did not become ready.
        """
        environment = {
            **os.environ,
            "ROLLCALL_VARS": yaml.safe_dump(dict(self._variables)),
            "ROLLCALL_STATE_DIR": str(self._settings.state_directory),
        }
        if self._settings.conninfo:
            environment["ROLLCALL_DATABASE_URL"] = self._settings.conninfo
        self._process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "rollcall.sandbox.simulator.cleaner", str(self._every)),
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            env=environment,
            cwd=self._settings.project_directory,
            start_new_session=True,  # Ctrl-C reaches the simulation, which ends this process
        )
        self._reader = asyncio.create_task(self._listen())
        waiting = asyncio.create_task(self._ready.wait())
        try:
            done, _ = await asyncio.wait(
                (waiting, self._reader), timeout=READY_SECONDS, return_when=asyncio.FIRST_COMPLETED
            )
        finally:
            waiting.cancel()
        if not self._ready.is_set():
            await self.stop()
            why = "it gave up" if self._reader in done else f"not ready after {READY_SECONDS:.0f} s"
            errors = "; ".join(self.errors) or "see above"
            raise RollcallError(f"the clean-up beside the traffic does not work: {why} ({errors})")

    async def kill_at_times(self, pauses: Iterator[float], ending: asyncio.Event) -> None:
        """Kill the child (`kill -9`) after each pause; the process starts another one."""
        for pause in pauses:
            try:
                await asyncio.wait_for(ending.wait(), pause)
            except TimeoutError:
                self.kill()
            else:
                return

    def kill(self) -> None:
        child, self._child = self._child, None
        if child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(child, signal.SIGKILL)
                self.kills += 1

    async def stop(self) -> None:
        """End the process and its child; the server rolls a running batch back."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            process.terminate()
        if self._child is not None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self._child, signal.SIGTERM)
        try:
            await asyncio.wait_for(process.wait(), STOP_SECONDS)
        except TimeoutError:
            process.kill()
            await process.wait()
        if self._reader is not None:
            self._reader.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._reader

    async def _listen(self) -> None:
        assert self._process is not None
        assert self._process.stdout is not None
        async for line in self._process.stdout:
            message = json.loads(line)
            if "child" in message:
                self._child = message["child"]
            elif "error" in message:
                self.errors[message["error"]] += 1
                if not self._ready.is_set() and self.errors.total() >= ERRORS_BEFORE_READY:
                    return
            else:
                self.passes += 1
                self.skipped.update(message["skipped"])
                self._ready.set()
