"""What the endpoint reads of the database: readiness, metrics, and a run that is at work."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from itertools import takewhile
from typing import Any, TypeVar

import psycopg

from rollcall.database.connections import reason_of
from rollcall.errors import RollcallError
from rollcall.ledger.runs import lease_holder, past_runs
from rollcall.pipeline import steps
from rollcall.pipeline.job import Approval, Job
from rollcall.rules.results import Verdict
from rollcall.settings.configuration import Settings
from rollcall.workspace import Workspace

__all__ = ["Looks", "NotSeen"]

T = TypeVar("T")
FRESH_SECONDS = 10.0  # so long an answer is given again: requests do not add up to load on the database
RUNS = 50  # enough to find the last judgement


class NotSeen(Exception):
    """The database could not be read; its text names no secret."""


class Looks:
    """Reads the database in one thread, one look at a time, and keeps each answer for some seconds."""

    def __init__(self, settings: Settings, stale_after: timedelta) -> None:
        self._settings = settings
        self._stale_after = stale_after
        self._thread = ThreadPoolExecutor(1)
        self._kept: dict[str, tuple[float, Any]] = {}

    async def readiness(self) -> dict[str, Any]:
        """The last verdict, and how old it is.

        Raises:
            NotSeen: the ledger cannot be read.
        """
        found = await self._look("readiness", self._read_readiness)
        return {**found, **_age(found["judged_at"], self._stale_after, found["is_sound"])}

    async def metrics(self) -> str:
        """What `rollcall metrics` prints.

        Raises:
            NotSeen: the database cannot be judged.
        """
        return await self._look("metrics", self._read_metrics)

    async def holder(self) -> str | None:
        """The run that holds the lease, started by whatever means; none where it is free.

        Raises:
            NotSeen: the database cannot be read.
        """
        return await self._look("holder", lambda: lease_holder(self._workspace()), fresh_seconds=0)

    async def _look(self, name: str, read: Callable[[], T], fresh_seconds: float = FRESH_SECONDS) -> T:
        def look() -> T:
            kept_at, kept = self._kept.get(name, (0.0, None))
            if not kept_at or time.monotonic() - kept_at >= fresh_seconds:
                try:
                    kept = read()
                except (RollcallError, psycopg.Error) as error:
                    kept = error  # a failure is kept as well, so that requests do not repeat it at once
                self._kept[name] = (time.monotonic(), kept)
            if isinstance(kept, Exception):
                raise kept
            answer: T = kept
            return answer

        try:
            return await asyncio.get_running_loop().run_in_executor(self._thread, look)
        except RollcallError as error:
            raise NotSeen(error.text) from None
        except psycopg.Error as error:
            raise NotSeen(f"The database refused: {reason_of(error)}") from None

    def _workspace(self) -> Workspace:
        return Workspace(self._settings)

    def _read_metrics(self) -> str:
        job = Job(self._workspace(), "assess", Approval.COMMAND, details=True)
        return steps.metrics(job, steps.assess(job))

    def _read_readiness(self) -> dict[str, Any]:
        ended = [run for run in past_runs(self._workspace(), RUNS) if run["finished_at"] is not None]
        judged = next((run for run in ended if run["verdict"] is not None), None)
        newer = list(takewhile(lambda run: run is not judged, ended))
        has_failed = any(run["failure"] is not None for run in [*newer, *([judged] if judged else [])])
        is_undone = any(run["command"] == "undo" for run in newer)
        verdict = judged["verdict"] if judged else None
        return {
            "verdict": verdict,
            # the verdict is of the plan's instant, just before the run began
            "judged_at": judged["started_at"] if judged else None,
            "run_id": judged["run_id"] if judged else None,
            "last_run_failed": has_failed,
            "is_sound": verdict == Verdict.READY.value and not has_failed and not is_undone,
        }


def _age(judged_at: datetime | None, stale_after: timedelta, is_sound: bool) -> dict[str, Any]:
    age = None if judged_at is None else datetime.now(UTC) - judged_at
    is_stale = age is None or age > stale_after
    return {
        "judged_at": None if judged_at is None else judged_at.astimezone(UTC).isoformat(),
        "age_seconds": None if age is None else round(age.total_seconds()),
        "is_stale": is_stale,
        "is_ready": is_sound and not is_stale,
    }
