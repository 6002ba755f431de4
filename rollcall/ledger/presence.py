"""Presence intervals: what the unattended runs saw of the open sessions.

A look is one statement (`analyses/ledger/record_presence.sql`). It reads the application's tables as any
query does, writes to the ledger alone, and writes only what changed. A look that fails is missing, and the
run goes on.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import psycopg

from rollcall.database.connections import fetch, reason_of
from rollcall.database.session_settings import judging_at, set_for_transaction
from rollcall.ledger.runs import Run

__all__ = ["Look", "record_presence"]

NOT_DEPLOYED = (
    "the view rollcall.presence_intervals, or the index of the calls, is missing; `rollcall migrate` makes it"
)
NO_TIME_PASSED = "the server's clock has not advanced since the look before"


@dataclass(frozen=True)
class Look:
    """One look at all open sessions.

    Attributes:
        open_sessions: how many sessions were seen.
        ended, begun: how many intervals it ended and began.
        left_out: why nothing was recorded; empty if something was.
    """

    open_sessions: int = 0
    ended: int = 0
    begun: int = 0
    left_out: str = ""


def record_presence(run: Run, judged_at: datetime | None = None) -> Look:
    """Record the state of all open sessions, in one transaction that holds the lease.

    Args:
        judged_at: the instant to judge at; none, or later than now: now.

    Raises:
        Refused: another run holds the lease now.
    """
    project = run.workspace.project
    timeout = int(run.workspace.settings.variables["presence_timeout_ms"])
    try:
        with run.connection.transaction():
            run.check_lease(run.connection)
            if not fetch(run.connection, project.sql("presence_is_deployed"))[0]["is_deployed"]:
                return Look(left_out=NOT_DEPLOYED)
            limit = {"statement_timeout": f"{max(1, timeout)}ms"}
            set_for_transaction(run.connection, judging_at(judged_at) | limit)
            rows = fetch(run.connection, project.sql("record_presence"), [run.id])
    except psycopg.Error as error:
        return Look(left_out=reason_of(error))
    if not rows:
        return Look(left_out=NO_TIME_PASSED)
    return Look(rows[0]["open_sessions"], rows[0]["ended"], rows[0]["begun"])
