"""What is read of the history: all of it, or what changed since the last recorded reading.

Closed sessions and calls are many and change seldom. Each reading that a run records leaves behind
when it read, by which rules, and the keys of what fails. The next one reads what was closed or
moved since then, with an overlap, and judges again what is known to fail; so its counts are those of
the whole history, but for what changed long after it was closed, which the next full reading
finds. Where that cannot be relied on, everything is read, and the result says why.

The models read what the transaction's settings say (`macros/assessed/history_since.sql`), so one SQL
serves both, with a ledger and without one.
"""

from __future__ import annotations

import hashlib
from datetime import datetime

from rollcall.database.connections import Connection, Snapshot, fetch
from rollcall.dbt.project import Project
from rollcall.ledger.trend import LEDGER_UNREADABLE
from rollcall.rules.results import Assessment, HistoryReading

__all__ = ["begin_reading", "record_reading"]

ON_REQUEST = "on request"
NO_EARLIER_READING = "there is no earlier reading that this role could see"


def begin_reading(snapshot: Snapshot, project: Project, *, full: bool) -> HistoryReading:
    """Decide what of the history is read, and tell the models, for the rest of this transaction.

    Args:
        full: read everything, whatever was read before.
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
    """Record what a judgement read of the history, and the keys that fail, if it read any.

    The database reads them once more, so that no list of keys passes through this process.
    """
    reading = assessment.history
    if reading is None:
        return
    record = project.sql("record_history_pass")
    with connection.transaction():
        connection.execute("set local jit = off")
        if reading.since is not None:
            _read_changes(connection, project, reading.since)
        instants = [reading.since, assessment.snapshot_at]
        since, read_at = (instant.isoformat() if instant else None for instant in instants)
        fetch(connection, record, [run_id, stage, reading.is_full, since, read_at, reading.definition])


def _read_changes(connection: Connection, project: Project, since: datetime) -> int:
    (row,) = fetch(connection, project.sql("read_changes"), [since.isoformat()])
    return int(row["known"])


def _definition(project: Project) -> str:
    """A digest of all that decides what fails: rules, thresholds, names and types of columns."""
    return hashlib.sha256(project.sql("history_violations").encode()).hexdigest()[:16]
