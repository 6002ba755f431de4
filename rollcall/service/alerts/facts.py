"""What the ledger says beside a run: the schedule, a waiting plan, regrets."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from rollcall.ledger.runs import has_ledger
from rollcall.steps.verify import Regret, read_regrets
from rollcall.workspace import Workspace

__all__ = ["Facts", "WaitingPlan", "read_facts"]

LEDGER = ("runs", "changes", "plans", "history_passes")


@dataclass(frozen=True)
class WaitingPlan:
    """A stored plan that was neither executed nor expired."""

    hash: str
    statements: int
    changes: int
    expires_at: datetime


@dataclass(frozen=True)
class Facts:
    """What the ledger says.

    Attributes:
        last_runs: when the last run ended, by the names of `missed_minutes`; without a run of the kind
            when the first run of all began.
        is_readable: whether there is a ledger; otherwise nothing is known.
    """

    last_runs: dict[str, datetime] = field(default_factory=dict)
    plan: WaitingPlan | None = None
    regrets: tuple[Regret, ...] = ()
    is_readable: bool = False


def read_facts(workspace: Workspace, run_id: str | None, now: datetime) -> Facts:
    """Read the facts. Reads only.

    Args:
        run_id: the run that is at work, which is left out.

    Raises:
        psycopg.Error: the role may not read the ledger.
    """
    with workspace.database.snapshot() as snapshot:
        if not has_ledger(snapshot, workspace.project, *LEDGER):
            return Facts()
        row = snapshot.row(workspace.project.sql("alert_facts"), [run_id])
    last = {"clean": row["last_clean"], "history": row["last_history"]}
    return Facts(
        last_runs={name: moment for name, moment in last.items() if moment is not None},
        plan=_waiting_plan(row, now),
        regrets=read_regrets(workspace),
        is_readable=True,
    )


def _waiting_plan(row: dict[str, Any], now: datetime) -> WaitingPlan | None:
    if row["plan_hash"] is None:
        return None
    header = json.loads(row["plan_header"])
    expires_at = datetime.fromisoformat(header["expires_at"])
    if expires_at <= now:
        return None
    return WaitingPlan(row["plan_hash"], header["statement_count"], header["change_count"], expires_at)
