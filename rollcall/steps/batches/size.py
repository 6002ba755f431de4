"""Adapt the number of rows of a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["BatchSize"]


class BatchSize:
    """The number of rows of the next batch, adapted to the duration of the last one.

    Args:
        settings: the vars ``first_batch_rows``, ``batch_goal_ms``, ``batch_growth``, ``largest_batch_rows``.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        self.rows = int(settings["first_batch_rows"])

    def adapt(self, seconds: float, rows: int, waiting: int) -> None:
        """Aim at the goal, grow slowly, and halve where sessions waited for the batch.

        Args:
            seconds: for which the last batch locked and changed its rows, without the round trips.
            rows: its number of rows.
            waiting: the number of other clients that waited for it.
        """
        wanted = rows * self._settings["batch_goal_ms"] / 1000 / max(seconds, 0.001)
        grown = self.rows * self._settings["batch_growth"] + 1
        self.rows = int(max(1, min(wanted, grown, self._settings["largest_batch_rows"])))
        if waiting:
            self.halve(self.rows)

    def halve(self, rows: int) -> None:
        """Use half of `rows`, after a batch that took too long or was lost."""
        self.rows = max(1, rows // 2)
