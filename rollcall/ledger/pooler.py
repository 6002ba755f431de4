"""Detection of a connection pooler between Rollcall and the server."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import psycopg

from rollcall.database.connections import deadline, reason_of
from rollcall.errors import ConnectionFailed, Refused
from rollcall.ledger.pooler_advice import advice_for
from rollcall.workspace import Workspace

__all__ = ["Pooler", "find_pooler", "refuse_pooler"]

POOLER_ROUNDS = 5
POOLER_SECONDS = 3.0


def refuse_pooler(workspace: Workspace) -> None:
    """Refuse a pooler that does not keep the backend of a connection, which holds the lease.

    Raises:
        Refused: a pooler changes the backend from one transaction to the next.
    """
    pooler = find_pooler(workspace)
    if pooler is not None and pooler.is_per_transaction:
        raise Refused(
            f"the connection goes through a pooler in transaction mode: {pooler.description}",
            "Nothing was changed, and assess, plan and verify work through it. The others need another "
            f"address. {advice_for(workspace.database.identity[0])}",
        )


@dataclass(frozen=True)
class Pooler:
    is_per_transaction: bool
    description: str


def find_pooler(workspace: Workspace) -> Pooler | None:
    """Detect a connection pooler by comparing backend process ids.

    A pooler has no backend yet when the connection starts, so the process id that it reports differs from
    that of the backend that executes a query. In transaction mode a second connection gets the backend of an
    idle first one.
    """
    pid_of = workspace.process_id_of
    workspace.project.sql("server_process")  # compiled first: the deadline below is for the server alone
    with (
        contextlib.closing(workspace.database.connect_unset()) as first,
        contextlib.closing(workspace.database.connect_unset()) as second,
    ):
        reported = first.info.backend_pid
        with deadline(POOLER_SECONDS, first, second) as expired:
            seen: set[int] = set()
            try:
                seen.add(pid_of(first))
                for _ in range(POOLER_ROUNDS):
                    with second.transaction():
                        shared = pid_of(second) in seen
                        seen.add(pid_of(first))
                    if shared or len(seen) > 1:
                        return Pooler(True, "the server process changes between two transactions")
            except psycopg.Error as error:
                if reported not in seen and (expired or _forbids_transactions(error)):
                    return Pooler(True, "two connections cannot have a server process each")
                raise ConnectionFailed(
                    f"the server did not answer in {POOLER_SECONDS:g} s: {reason_of(error)}", "try again"
                ) from None
        if reported in seen:
            return None
        return Pooler(
            False,
            "the server process differs from the one reported at the connection start, and stays the same",
        )


def _forbids_transactions(error: psycopg.Error) -> bool:
    """Whether the message is that of a pooler in statement mode."""
    return "transaction blocks not allowed" in str(error)
