"""Clean: execute the plan in small batches, each judged again under its locks.

A batch is one transaction: it checks the lease, locks the planned rows that are not locked, judges them
again in a second statement, changes them, and records both images. A session whose agent came back is left
unchanged and reported. `rollcall.steps.batches` makes the batches.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any

from rollcall.database.connections import Connection, Row, fetch, take_role, text_array
from rollcall.database.session_settings import set_for_transaction
from rollcall.errors import Refused
from rollcall.ledger.runs import Run
from rollcall.settings.configuration import Settings
from rollcall.steps.batches import RINGING, Batches, BatchResult, Item, ProgressCallback
from rollcall.steps.plan.pending_work import Plan
from rollcall.workspace import Workspace

__all__ = ["CleaningResult", "clean", "refuse_read_only", "refuse_what_cannot_work"]

CAME_BACK = "came back:"  # the beginning of a reason in analyses/clean/change_sessions.sql
HELD_BACK = "held back:"

FEED_SECONDS = 1.0  # after which the evidence about the feed is read again


@dataclass
class CleaningResult(BatchResult):
    """The result of one clean-up."""

    @property
    def held_back(self) -> int:
        """The number of sessions skipped because a person undid their repair."""
        return sum(skip["reason"].startswith(HELD_BACK) for skip in self.skipped)

    @property
    def is_complete(self) -> bool:
        """Whether no session was skipped but those that are held back."""
        return len(self.skipped) == self.held_back

    def to_json(self) -> dict[str, Any]:
        return {
            "run_id": self.run_id,
            "planned": self.planned,
            "changed": self.changed,
            "skipped": self.skipped,
        }


def clean(
    workspace: Workspace,
    run: Run,
    plan: Plan,
    progress: ProgressCallback | None = None,
    *,
    unattended: bool = False,
) -> CleaningResult:
    """Execute the plan's changes.

    Args:
        plan: every row is judged again at the instant of the plan.
        progress: the progress callback.
        unattended: leave sessions alone whose repair a person undid. `rollcall.steps.clean.breaker` must have
            checked the plan.

    Raises:
        Refused: nothing can be cleaned, or the lease was lost.
        psycopg.Error: a fault that concerns more than one row; committed batches stay, with their images.
    """
    result = CleaningResult(run.id, planned=plan.change_count)
    run.note(
        planned=plan.change_count,
        judged_at=plan.judged_at.isoformat(),
        plan_hash=plan.hash,
        unattended=unattended,
    )
    if plan.change_count:
        refuse_what_cannot_work(workspace, plan.statuses_after)
        repair = SessionRepair(workspace, run, plan, unattended)
        batches = Batches(
            workspace,
            run,
            result,
            repair.judge_and_change,
            look_around=repair.look_around,
            settings_of_batch=repair.settings_of_batch,
            progress=progress,
        )
        try:
            batches.work(plan.items())
        finally:
            run.note_if_possible(changed=result.changed, skipped=len(result.skipped))
    else:
        run.note(changed=0, skipped=0)
    return result


def refuse_read_only(settings: Settings) -> None:
    """Refuse to clean an application whose sessions are never written.

    Raises:
        Refused: the var `read_only` is true.
    """
    if settings.variables["read_only"]:
        raise Refused(
            "the sessions of this application are not written: the var read_only is true",
            "Leave the repair to the application; assess, the views and the reports work",
        )


def refuse_what_cannot_work(workspace: Workspace, statuses: Collection[str]) -> None:
    """Refuse a clean-up in which every row would fail.

    Args:
        statuses: the statuses that will be written.

    Raises:
        Refused: has each obstacle and its remedy.
    """
    query = workspace.project.sql("refusals")
    with workspace.database.snapshot() as snapshot:
        take_role(snapshot.connection, workspace.settings.clean_role)
        refusals = snapshot.rows(query, [sorted(statuses)])
    if refusals:
        raise Refused(
            "; ".join(row["reason"] for row in refusals) + "; nothing was cleaned",
            "; ".join(row["hint"] for row in refusals),
        )


class SessionRepair:
    """The judgement of a batch: evidence before the locks, a statement after them."""

    def __init__(self, workspace: Workspace, run: Run, plan: Plan, unattended: bool) -> None:
        self._run = run
        self._plan = plan
        self._judged_at = plan.judged_at.isoformat()
        self._unattended = unattended
        self._lock_timeout = str(max(1, int(workspace.settings.variables["lock_timeout_ms"])))
        self._change_sql = workspace.project.sql("change_sessions")
        self._feed_sql = workspace.project.sql("silent_feed")
        self._rung_sql = workspace.project.sql("rung_sessions")
        self._feed = 0
        self._feed_read_at = -FEED_SECONDS
        self._looking = threading.Lock()

    def look_around(self, connection: Connection) -> None:
        """Read whether the feed is silent, from all open sessions, before any lock."""
        with self._looking:
            if time.monotonic() - self._feed_read_at < FEED_SECONDS:
                return
            with connection.transaction():
                connection.execute("set transaction read only")
                limits = {"lock_timeout": self._lock_timeout, "rollcall.judged_at": self._judged_at}
                set_for_transaction(connection, limits)
                self._feed = fetch(connection, self._feed_sql)[0]["contradicting_calls"]
            self._feed_read_at = time.monotonic()

    def settings_of_batch(self) -> dict[str, str]:
        """The instant of judgement, and the evidence about the feed."""
        return {"rollcall.judged_at": self._judged_at, "rollcall.contradicting_calls": str(self._feed)}

    def judge_and_change(self, connection: Connection, items: Sequence[Item]) -> list[Row]:
        agents = text_array({item["agent_id"] for item in items})
        rows = fetch(
            connection,
            self._change_sql,
            [
                self._run.id,
                f"[{','.join(item['json'] for item in items)}]",
                text_array(item["session_id"] for item in items),
                agents,
                self._plan.made_at,
                self._unattended,
                self._plan.hash,
            ],
        )
        back = [row for row in rows if row["reason"].startswith(CAME_BACK)]
        if back:
            asked = [text_array(row["session_id"] for row in back), agents]
            rung = {row["session_id"] for row in fetch(connection, self._rung_sql, asked)}
            for row in back:
                row["reason"] = RINGING if row["session_id"] in rung else row["reason"]
        return rows
