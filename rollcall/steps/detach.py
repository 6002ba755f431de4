"""Detach: drop Rollcall's views, so that the application can change its tables.

A view on a table makes the application's ``ALTER TYPE`` and ``DROP COLUMN`` fail. The ledger reads no table
of the application and holds the before-images for `undo`; it is dropped on request only. No object of the
application is changed. If an object of another owner depends on a view of Rollcall, detaching is refused.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql

from rollcall.database.connections import Row, fetch, reason_of
from rollcall.errors import LeaseHeld, Refused
from rollcall.ledger.pooler import refuse_pooler
from rollcall.ledger.runs import Run, open_run
from rollcall.ledger.strong_locks import ShortLockExecutor
from rollcall.schema.allow_list import LEDGER_SCHEMA, VIEW_SCHEMA, check_detaching
from rollcall.schema.declared import Statement
from rollcall.workspace import Workspace

__all__ = ["Detachment", "detach"]


@dataclass
class Detachment:
    """The result of detaching.

    Attributes:
        dropped: names in order; the name of a schema has no dot.
        kept: the objects that stay, with the reason.
        grants: the statements that restore the privileges on the dropped objects.
    """

    run_id: str | None = None
    dropped: list[str] = field(default_factory=list)
    kept: list[dict[str, str]] = field(default_factory=list)
    grants: list[str] = field(default_factory=list)

    def to_json(self) -> dict[str, Any]:
        return {"run_id": self.run_id, "dropped": self.dropped, "kept": self.kept, "grants": self.grants}


def detach(workspace: Workspace, approved_by: str | None = None, *, ledger: bool = False) -> Detachment:
    """Drop the views and their schema; `run` or `migrate` makes them again.

    Args:
        ledger: drop the ledger too: every before-image is lost, and nothing can be undone any more.

    Raises:
        LeaseHeld: another run is at work.
        Refused: a foreign object depends on an object to drop; nothing was changed.
    """
    result = Detachment()
    views, schemas = _deployed(workspace, [])
    if views or VIEW_SCHEMA in schemas:
        with open_run(workspace, "detach", approved_by) as run:
            result.run_id = run.id
            views, _ = _deployed(workspace, [])
            names = [f"{view['schema_name']}.{view['view_name']}" for view in views]
            for view in views:
                result.grants += view["grants"]
            _drop(workspace, result, run.check_lease, "view", names, VIEW_SCHEMA, run)
            run.note(executed=len(result.dropped))
    tables = _ledger_tables(workspace)
    if ledger:
        refuse_pooler(workspace)  # through a pooler the settings would stay and the lock would be lost
        with contextlib.closing(workspace.database.connect()) as connection:
            row = fetch(connection, workspace.project.sql("take_lock"))[0]
            if not row["is_ours"]:
                raise LeaseHeld("another run is at work", "wait for it; the ledger is as it was")
            _drop(workspace, result, lambda other: None, "table", tables, LEDGER_SCHEMA)
    elif tables:
        result.kept.append(
            {
                "object": LEDGER_SCHEMA,
                "reason": "it holds the before-images that undo needs; detach --ledger drops it",
            }
        )
    return result


def _drop(
    workspace: Workspace,
    result: Detachment,
    guard: Callable[[Any], None],
    kind: str,
    names: Sequence[str],
    schema: str,
    run: Run | None = None,
) -> None:
    """Drop relations of Rollcall, all or none, and their schema if it is empty then.

    Args:
        run: the run that records the statements; none if the ledger itself is dropped.
    """
    _, schemas = _deployed(workspace, names)
    others = schemas[schema]["foreign_objects"] if schema in schemas else []
    drops_schema = schema in schemas and not others
    if others:
        result.kept.append({"object": schema, "reason": f"other objects are in it: {', '.join(others)}"})
    statements = []
    if names:
        relations = sql.SQL(", ").join(sql.Identifier(*name.split(".", 1)) for name in names)
        statements.append(sql.SQL(f"drop {kind} {{}}").format(relations).as_string(None))
    if drops_schema:
        statements.append(sql.SQL("drop schema {}").format(sql.Identifier(schema)).as_string(None))
    if not statements:
        return
    _send(ShortLockExecutor(workspace, guard), [check_detaching(one) for one in statements], run)
    result.dropped += names
    if drops_schema:
        result.dropped.append(schema)
        result.grants = [*schemas[schema]["grants"], *result.grants]


def _send(executor: ShortLockExecutor, parts: Sequence[str], run: Run | None) -> None:
    """Send the statements in one transaction, and record what became of them.

    Raises:
        Refused: nothing was dropped.
    """
    _note(run, parts, 0, "started")
    try:
        reason = executor.send(parts)
    except psycopg.errors.DependentObjectsStillExist as error:
        detail = " ".join((error.diag.message_detail or reason_of(error)).split("\n"))
        _note(run, parts, executor.attempts, f"failed: {detail}")
        raise Refused(
            f"another object depends on an object of Rollcall: {detail}",
            "Nothing was dropped. Its owner has to drop or change it first",
        ) from error
    except psycopg.Error as error:
        _note(run, parts, executor.attempts, f"failed: {reason_of(error)}")
        raise
    if reason is not None:
        _note(run, parts, executor.attempts, f"failed: {reason}")
        raise Refused(
            f"Rollcall's objects could not be dropped: {reason}", "nothing was dropped; try again later"
        )
    _note(run, parts, executor.attempts, "dropped")


def _note(run: Run | None, parts: Sequence[str], attempts: int, outcome: str) -> None:
    """Record the statements; one transaction sends them, so all have the same outcome."""
    if run is None:
        return
    for position, part in enumerate(parts, start=len(run.made) + 1):
        what = part.removeprefix("drop ")
        statement = Statement("drop", what, part, "The application is to change its tables", "on ours alone")
        run.note_statement(position, statement, attempts, outcome)


def _deployed(workspace: Workspace, names: Sequence[str]) -> tuple[list[Row], dict[str, Row]]:
    """The views and schemas of Rollcall. names: objects that do not count as foreign."""
    with workspace.database.snapshot() as snapshot:
        views = snapshot.rows(workspace.project.sql("own_views"))
        schemas = snapshot.rows(workspace.project.sql("own_schemas"), [list(names)])
    return views, {row["schema_name"]: row for row in schemas}


def _ledger_tables(workspace: Workspace) -> list[str]:
    declared = {
        f"{own.schema}.{own.name}" for own in workspace.project.rollcall_relations if own.kind == "table"
    }
    with workspace.database.snapshot() as snapshot:
        rows = snapshot.rows(workspace.project.sql("deployed_relations"))
    deployed = {f"{row['schema_name']}.{row['relation_name']}" for row in rows}
    return sorted(declared & deployed)
