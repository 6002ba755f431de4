"""The missing statements as a script for psql."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from rollcall import __version__
from rollcall.dbt.compilation import render_macro
from rollcall.dbt.project import RollcallRelation
from rollcall.ledger.ownership import acting_roles
from rollcall.schema.allow_list import check_migrating, created_objects, reads_application
from rollcall.schema.declared import Statement, build_workers
from rollcall.schema.ledger_columns import declared_types
from rollcall.workspace import Workspace

__all__ = ["script"]

QUERIES = (
    "declared_changes",
    "default_grants",
    "foreign_dependencies",
    "rollcall_object_faults",
    "object_states",
)
APPLICATION = "1: the application's tables"
OWN = "2: Rollcall's own schemas, ledger and views"


def script(workspace: Workspace, statements: Iterable[Statement], database: str) -> str:
    """The statements with reason and lock, as a script that can be run again.

    Args:
        database: its name, for the reader.
    """
    statements = list(statements)
    relations = {f"{own.schema}.{own.name}": own for own in workspace.project.rollcall_relations}
    unfinished = [statement.object_name for statement in statements if _is_rebuilt(statement)]
    items = [(item.is_of_application, _item(workspace, item, unfinished)) for item in statements]
    parts = [
        (APPLICATION, [item for is_of_application, item in items if is_of_application]),
        (OWN, [item for is_of_application, item in items if not is_of_application]),
    ]
    declared = [
        _declared(statement, relations) for statement in statements if statement.kind in ("table", "view")
    ]
    text = render_macro("psql_script")(
        version=__version__,
        database=" ".join(database.split()),
        parts=parts,
        queries={name: workspace.project.sql(name) for name in QUERIES},
        declared=json.dumps(declared),
        acting=acting_roles(workspace.settings),
        rollcall_names=list(relations),
        unfinished=unfinished,
        workers=build_workers(workspace.settings.variables),
    )
    return f"{text}\n"


def _is_rebuilt(statement: Statement) -> bool:
    """Whether the statement first drops an unfinished index of Rollcall."""
    return statement.sql.startswith("drop index concurrently ")


def _item(workspace: Workspace, statement: Statement, unfinished: list[str]) -> dict[str, Any]:
    """The values of a statement for the template."""
    variables = workspace.settings.variables
    if statement.in_transaction:
        timeouts = (variables["migrate_lock_timeout_ms"], variables["migrate_statement_timeout_ms"])
    else:
        timeouts = (
            1000 * variables["index_lock_timeout_seconds"],
            1000 * variables["index_timeout_seconds"],
        )
    sent = check_migrating(statement.sql, unfinished)
    is_rebuilt = _is_rebuilt(statement)
    notes = (statement.object_name, statement.reason, f"Lock: {statement.lock}", statement.warning)
    return {
        "name": statement.object_name,
        "notes": [" ".join(note.split()) for note in notes if note],
        "timeouts": [f"{milliseconds:.0f}" for milliseconds in timeouts],
        "drop": sent[0] if is_rebuilt else None,
        "create": sent[1] if is_rebuilt else statement.sql,
        "creates": created_objects(sent),
        "is_own": statement.kind in ("table", "view"),
    }


def _declared(statement: Statement, relations: dict[str, RollcallRelation]) -> dict[str, Any]:
    """The created object for object_states.sql: a relation, or a column of a table."""
    schema, name, *column = statement.object_name.split(".")
    relation = relations[f"{schema}.{name}"]
    document: dict[str, Any] = {
        "object_name": statement.object_name,
        "schema_name": schema,
        "relation_name": name,
        "kind": relation.kind,
    }
    if relation.kind == "view":
        reads = reads_application(relation.statement)
        return document | {"digest": relation.digest, "reads_application": reads}
    types = declared_types(relation)
    return document | {"columns": {key: types[key] for key in column or types}}
