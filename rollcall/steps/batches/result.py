"""The result of a run, the reasons for a skip, and the progress callback."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["GONE", "LOCKED", "RINGING", "TOO_SLOW", "BatchResult", "Item", "ProgressCallback"]

Item = dict[str, Any]
"""One session to change: ``session_id``, and ``agent_id`` and ``json`` where its plan is known."""

LOCKED = "locked by another transaction until the end"
RINGING = "a live call of its agent kept it open until the end"
TOO_SLOW = "judging it takes longer than lock_timeout_ms allows; are the indexes there?"
GONE = "no longer in the table"


@dataclass
class BatchResult:
    """The result of a run on its planned sessions.

    Attributes:
        skipped: ``session_id`` and ``reason`` of each skipped session.
        paused_seconds: the sum of the pauses of all connections for other transactions.
    """

    run_id: str
    planned: int = 0
    changed: int = 0
    skipped: list[dict[str, str]] = field(default_factory=list)
    paused_seconds: float = 0.0


class ProgressCallback:
    """A progress callback that does nothing; any thread may call it."""

    def advanced(self, done: int, total: int) -> None:
        """Report that `done` of `total` sessions are processed."""

    def held(self, reason: str | None) -> None:
        """Report that the work waits. reason: none: it goes on."""
