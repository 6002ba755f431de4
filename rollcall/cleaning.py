"""Clean: execute the clean-up plan in small batches, each judged again under its locks.

A batch is one transaction: the lease is checked, the planned rows that nobody else holds are
locked, judged again in a statement of its own, changed, and recorded with both images. Whoever came
back in between is left alone and reported. How batches are made, see `rollcall.batches`.
"""

from __future__ import annotations

import itertools
import json
import time
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from rollcall.batches import RINGING, Batches, BatchResult, Item, Watcher
from rollcall.database import (
    Connection,
    Row,
    array_element,
    array_of,
    fetch,
    fetch_meanwhile,
    take_role,
    text_array,
)
from rollcall.errors import Refused
from rollcall.ledger import Run
from rollcall.plan import Plan
from rollcall.workspace import Workspace

__all__ = ["CleaningResult", "clean", "refuse_what_cannot_work"]

CAME_BACK = "came back:"  # how analyses/clean/change_sessions.sql begins some reasons
HELD_BACK = "held back:"

FEED_SECONDS = 1.0  # how old the answer may be whether the feed is silent

_text_of = json.JSONEncoder(ensure_ascii=False).encode


@dataclass
class CleaningResult(BatchResult):
    """What one clean-up did."""

    @property
    def held_back(self) -> int:
        """How many of the skipped were left alone because a person had undone their repair."""
        return sum(skip["reason"].startswith(HELD_BACK) for skip in self.skipped)

    @property
    def is_complete(self) -> bool:
        """Whether everything was done that was to be done: what a person holds back was not."""
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
    watcher: Watcher | None = None,
    *,
    unattended: bool = False,
) -> CleaningResult:
    """Execute the plan's changes.

    Args:
        plan: judged at its own instant; every row is judged again at that instant.
        watcher: told how it goes on.
        unattended: nobody watches, so what a person undid is left alone. The breaker is asked beforehand:
            see `rollcall.breaker`.

    Raises:
        Refused: nothing could be cleaned at all, or the lease was lost.
        psycopg.Error: something that no other row would fare better with; what was committed stays, with
            its images.
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
        repair = _Repair(workspace, run, plan, unattended)
        batches = Batches(
            workspace,
            run,
            result,
            repair.judge_and_change,
            look_around=repair.look_around,
            prepare=repair.prepare,
            watcher=watcher,
        )
        try:
            batches.work(repair.items)
        finally:
            run.note_if_possible(changed=result.changed, skipped=len(result.skipped))
    else:
        run.note(changed=0, skipped=0)
    return result


def refuse_what_cannot_work(workspace: Workspace, statuses: Collection[str]) -> None:
    """Find beforehand what would fail for every row.

    Args:
        statuses: what will be written.

    Raises:
        Refused: what is in the way, and how to remove it.
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


class _Items(Iterator[Item]):
    """The plan's changes, which can be read before they are asked for.

    Each has `columns`, as analyses/clean/change_sessions.sql takes them: every one an array's element.
    """

    def __init__(self, plan: Plan, most: int) -> None:
        self._coming = map(_item, plan.changes())
        self._most = most
        self._read: deque[Item] = deque()

    def __next__(self) -> Item:
        return self._read.popleft() if self._read else next(self._coming)

    def read_on(self) -> None:
        """Read what the next batch may need."""
        self._read.extend(itertools.islice(self._coming, self._most - len(self._read)))


def _item(change: dict[str, Any]) -> Item:
    before, after = change["before"], change["after"]
    columns = (
        change["session_id"],
        change["agent_id"],
        text_array(change["rules"]),
        change["remedy"],
        before["status"],
        _text(before["current_call_id"]),
        before["logout_at"],
        after["status"],
        after["logout_at"],
        _text_of(change["evidence"]),
    )
    return {
        "session_id": change["session_id"],
        "agent_id": change["agent_id"],
        "columns": tuple(array_element(column) for column in columns),
    }


def _text(value: Any) -> str | None:
    """A key as PostgreSQL's ``->>`` gives it: one that is a number in the table is one in the plan."""
    return value if value is None or isinstance(value, str) else _text_of(value)


class _Repair:
    """The two halves of a batch's judgement: what is read before the locks, and the statement after them."""

    def __init__(self, workspace: Workspace, run: Run, plan: Plan, unattended: bool) -> None:
        self.items = _Items(plan, int(workspace.settings.variables["largest_batch_rows"]))
        self._run = run
        self._plan = plan
        self._judged_at = plan.judged_at.isoformat()
        self._unattended = unattended
        self._lock_timeout = str(int(workspace.settings.variables["lock_timeout_ms"]))
        self._change_sql = workspace.project.sql("change_sessions")
        self._feed_sql = workspace.project.sql("silent_feed")
        self._rung_sql = workspace.project.sql("rung_sessions")
        self._feed = 0
        self._feed_read_at = -FEED_SECONDS

    def look_around(self, connection: Connection) -> None:
        """Whether the feed is silent: that reads the whole floor, and nobody shall wait for it."""
        if time.monotonic() - self._feed_read_at < FEED_SECONDS:
            return
        with connection.transaction():
            connection.execute("set transaction read only")
            _set(connection, "lock_timeout", self._lock_timeout)
            _set(connection, "rollcall.judged_at", self._judged_at)
            self._feed = fetch(connection, self._feed_sql)[0]["contradicting_calls"]
        self._feed_read_at = time.monotonic()

    def prepare(self, connection: Connection) -> None:
        """The instant to judge at, and what the whole floor said."""
        fetch(
            connection,
            """
            select
                set_config('rollcall.judged_at', $1, true),
                set_config('rollcall.contradicting_calls', $2, true)
            """,
            [self._judged_at, str(self._feed)],
        )

    def judge_and_change(self, connection: Connection, items: Sequence[Item]) -> list[Row]:
        agents = text_array({item["agent_id"] for item in items})
        rows = fetch_meanwhile(
            connection,
            self._change_sql,
            [
                self._run.id,
                self._plan.made_at,
                self._plan.hash,
                self._unattended,
                agents,
                *map(array_of, zip(*(item["columns"] for item in items), strict=True)),
            ],
            self.items.read_on,
        )
        back = [row for row in rows if row["reason"].startswith(CAME_BACK)]
        if back:
            asked = [text_array(row["session_id"] for row in back), agents]
            rung = {row["session_id"] for row in fetch(connection, self._rung_sql, asked)}
            for row in back:
                row["reason"] = RINGING if row["session_id"] in rung else row["reason"]
        return rows


def _set(connection: Connection, name: str, value: str) -> None:
    fetch(connection, "select set_config($1, $2, true)", [name, value])
