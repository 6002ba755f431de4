"""The last run that the circuit breaker stopped, until it is resolved."""

from __future__ import annotations

from rollcall.database.connections import Snapshot
from rollcall.dbt.project import Project
from rollcall.ledger.trend import LEDGER_UNREADABLE
from rollcall.rules.results import TrippedBreaker

__all__ = ["tripped_breaker"]


def tripped_breaker(snapshot: Snapshot, project: Project) -> TrippedBreaker | None:
    """Find the last run that the circuit breaker stopped, unless it is resolved.

    A later clean-up that ends without a failure resolves it. None where the role cannot read the ledger.
    """
    try:
        with snapshot.connection.transaction():
            rows = snapshot.rows(project.sql("tripped_breaker"))
    except LEDGER_UNREADABLE:
        return None
    return next((TrippedBreaker(row["run_id"], row["started_at"], row["evidence"]) for row in rows), None)
