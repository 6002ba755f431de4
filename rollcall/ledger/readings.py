"""Incremental readings of the history (closed sessions and calls), or a full one.

The history is large and changes seldom. A recorded reading stores its instant, a digest of its rules
and the failing keys. The next reading covers rows that were closed or moved since then, with an
overlap, and judges the known failing keys again. Its counts are therefore those of the whole history,
except for rows that changed long after they were closed; the next full reading finds these. A full
reading takes place where an incremental one would be unreliable, and the result gives the reason.

The models take the range from settings of the transaction (`macros/assessed/history_since.sql`), so the
same SQL works with and without a ledger.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from rollcall.database.connections import Connection, Snapshot, fetch
from rollcall.database.session_settings import set_for_transaction
from rollcall.dbt.project import Project
from rollcall.ledger.trend import LEDGER_UNREADABLE
from rollcall.rules.results import Assessment, HistoryReading

__all__ = ["begin_reading", "record_reading"]

ON_REQUEST = "on request"
NO_EARLIER_READING = "there is no earlier reading that this role can see"


def begin_reading(snapshot: Snapshot, project: Project, *, full: bool) -> HistoryReading:
    """Choose a full or incremental reading and set it for the rest of this transaction.

    Args:
        full: read the whole history, regardless of earlier readings.
    """
    definition = _definition(project)
    try:
        with snapshot.connection.transaction():
            row = snapshot.row(project.sql("history_reading"), [definition])
            why = ON_REQUEST if full else row["why"]
            if why is not None:
                return HistoryReading(None, 0, row["full_at"], why, definition)
            known = _read_changes(snapshot.connection, project, row["since"])
            return HistoryReading(row["since"], known, row["full_at"], "", definition)
    except LEDGER_UNREADABLE:
        return HistoryReading(None, 0, None, ON_REQUEST if full else NO_EARLIER_READING, definition)


def record_reading(
    connection: Connection, project: Project, run_id: str, stage: str, assessment: Assessment
) -> None:
    """Record the reading of an assessment and its failing keys; do nothing if it read no history.

    The database computes the keys again, so that no list of keys passes through this process.
    """
    reading = assessment.history
    if reading is None:
        return
    record = project.sql("record_history_pass")
    with connection.transaction():
        set_for_transaction(connection, {"jit": "off"})
        if reading.since is not None:
            _read_changes(connection, project, reading.since)
        instants = [reading.since, assessment.snapshot_at]
        since, read_at = (instant.isoformat() if instant else None for instant in instants)
        fetch(connection, record, [run_id, stage, reading.is_full, since, read_at, reading.definition])


def _read_changes(connection: Connection, project: Project, since: datetime) -> int:
    (row,) = fetch(connection, project.sql("read_changes"), [since.isoformat()])
    return int(row["known"])


def _definition(project: Project) -> str:
    """A digest of the rules, thresholds, names and column types that decide what fails."""
    return hashlib.sha256(project.sql("history_violations").encode()).hexdigest()[:16]
