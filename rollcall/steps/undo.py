"""Undo: restore the rows of one run that still hold its values.

A row is restored if every column still has the value that the run left; its planned columns get their
values from before the run. Other rows are conflicts, which are listed and not changed. An undo is a run
with images of its own and can be undone.
"""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from rollcall.database.connections import Connection, Row, Snapshot, fetch, text_array
from rollcall.errors import ConfigurationError
from rollcall.ledger.images import refuse_altered_images
from rollcall.ledger.runs import Run, has_ledger, ledger_needed, open_run, refuse_older_ledger
from rollcall.steps.batches import Batches, BatchResult, Item, ProgressCallback
from rollcall.steps.clean.cleaning import refuse_what_cannot_work
from rollcall.workspace import Workspace

__all__ = ["UndoResult", "undo"]

ITEMS_AT_ONCE = 1_000
LEDGER = ("runs", "changes", "change_digests", "held_sessions")


@dataclass
class UndoResult(BatchResult):
    """The result of an undo, or of its dry run.

    Attributes:
        undoes: the run that was undone.
        not_restored: the number of values by column that a trigger wrote beside the planned columns.
    """

    undoes: str = ""
    dry_run: bool = False
    not_restored: Counter[str] = field(default_factory=Counter)

    @property
    def conflicts(self) -> list[dict[str, str]]:
        return self.skipped

    def to_json(self) -> dict[str, Any]:
        return {
            "run_id": None if self.dry_run else self.run_id,
            "undoes": self.undoes,
            "dry_run": self.dry_run,
            "restored": self.changed,
            "conflicts": self.conflicts,
            "not_restored": dict(self.not_restored),
        }


def undo(
    workspace: Workspace,
    run_id: str,
    *,
    dry_run: bool = False,
    approved_by: str | None = None,
    progress: ProgressCallback | None = None,
) -> UndoResult:
    """Restore the before-images of one run.

    Args:
        run_id: the run to undo, which may be an undo.
        dry_run: give the result without changing anything.

    Raises:
        ConfigurationError: no such run.
        LeaseHeld: another run is at work.
        Refused: nothing can be restored, the recorded images were altered, or the lease was lost.
    """
    with workspace.database.snapshot() as snapshot:
        target = _target(workspace, snapshot, run_id)
        if dry_run:
            return _preview(workspace, snapshot, run_id, target["changes"])
    with open_run(workspace, "undo", approved_by) as run:
        result = UndoResult(run.id, planned=target["changes"], undoes=run_id)
        run.note(planned=result.planned, undoes=run_id)
        if target["changes"]:
            refuse_what_cannot_work(workspace, target["statuses"])
            _restore(workspace, run, result, is_redo=target["undoes"] is not None, progress=progress)
        return result


def _target(workspace: Workspace, snapshot: Snapshot, run_id: str) -> Row:
    project = workspace.project
    refuse_older_ledger(snapshot, project)
    is_recorded = has_ledger(snapshot, project, *LEDGER)
    with ledger_needed():
        rows = snapshot.rows(project.sql("undo_target"), [run_id]) if is_recorded else []
    if not rows:
        raise ConfigurationError(f"no run {run_id} is recorded", "`rollcall history` lists the runs")
    with ledger_needed():
        refuse_altered_images(snapshot, project, run_id)
    return rows[0]


def _restore(
    workspace: Workspace, run: Run, result: UndoResult, *, is_redo: bool, progress: ProgressCallback | None
) -> None:
    query = workspace.project.sql("restore_sessions")
    counting = threading.Lock()

    def judge_and_restore(connection: Connection, items: Sequence[Item]) -> list[Row]:
        keys = text_array(item["session_id"] for item in items)
        rows = fetch(connection, query, [run.id, result.undoes, keys, is_redo])
        with counting:
            for row in rows:
                result.not_restored.update(row["not_restored"])
        return [row for row in rows if row["reason"] is not None]

    mark_undone = workspace.project.sql("mark_undone")
    try:
        Batches(workspace, run, result, judge_and_restore, progress=progress).work(
            _items(workspace, run.connection, result.undoes)
        )
    finally:
        run.note_if_possible(changed=result.changed, skipped=len(result.skipped))
    if result.changed:
        fetch(run.connection, mark_undone, [result.undoes, run.id])


def _preview(workspace: Workspace, snapshot: Snapshot, run_id: str, planned: int) -> UndoResult:
    result = UndoResult("", planned=planned, undoes=run_id, dry_run=True)
    query = workspace.project.sql("preview_undo")
    for page in _pages(workspace, snapshot.connection, run_id):
        for row in snapshot.rows(query, [run_id, page]):
            if row["reason"] is None:
                result.changed += 1
            else:
                result.skipped.append({"session_id": row["session_id"], "reason": row["reason"]})
    return result


def _items(workspace: Workspace, connection: Connection, run_id: str) -> Iterator[Item]:
    for page in _pages(workspace, connection, run_id):
        yield from ({"session_id": key} for key in page)


def _pages(workspace: Workspace, connection: Connection, run_id: str) -> Iterator[list[str]]:
    query, last = workspace.project.sql("undo_items"), ""
    while rows := fetch(connection, query, [run_id, last, ITEMS_AT_ONCE]):
        page = [row["session_id"] for row in rows]
        yield page
        last = page[-1]
