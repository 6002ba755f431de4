"""How many rows the next batch has."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

__all__ = ["BatchSize"]


class BatchSize:
    """Rows of the next batch, adapted to how long the last one held its rows.

    Args:
        settings: the vars ``first_batch_rows``, ``batch_goal_ms``, ``batch_growth``, ``largest_batch_rows``.
    """

    def __init__(self, settings: Mapping[str, Any]) -> None:
        self._settings = settings
        self.rows = int(settings["first_batch_rows"])

    def adapt(self, held_seconds: float, rows: int, waiting: int) -> None:
        """Aim at the goal, grow slowly, and halve where sessions waited for the batch.

        Args:
            held_seconds: how long the last batch held its rows.
            rows: how many it had.
            waiting: sessions of other clients that waited for it.
        """
        wanted = rows * self._settings["batch_goal_ms"] / 1000 / max(held_seconds, 0.001)
        grown = self.rows * self._settings["batch_growth"] + 1
        self.rows = int(max(1, min(wanted, grown, self._settings["largest_batch_rows"])))
        if waiting:
            self.halve(self.rows)

    def halve(self, rows: int) -> None:
        """Half as many as a batch of `rows`, which took too long or was lost."""
        self.rows = max(1, rows // 2)
