"""Checks that no other role can run code through Rollcall's schemas and relations.

A run writes the ledger with its own rights. A schema, table, trigger or default that another role has
created, or can create, would run that role's code with the rights of the run.
"""

from __future__ import annotations

from collections.abc import Sequence

from psycopg import sql

from rollcall.database.connections import Connection, fetch
from rollcall.dbt.project import Project
from rollcall.errors import Refused
from rollcall.schema.allow_list import LEDGER_SCHEMA
from rollcall.schema.declared import Conflict
from rollcall.schema.row_security import bypassing_views
from rollcall.settings.configuration import Settings
from rollcall.workspace import Workspace

__all__ = [
    "acting_roles",
    "faults_of_rollcall_objects",
    "findings_on_rollcall_objects",
    "lock_ledger",
    "refuse_foreign_index",
    "refuse_foreign_ledger",
    "seal",
]


def acting_roles(settings: Settings) -> list[str]:
    """The roles other than the login role that may own an object of Rollcall."""
    return [settings.migrate_role] if settings.migrate_role is not None else []


def faults_of_rollcall_objects(
    connection: Connection, project: Project, settings: Settings
) -> list[Conflict]:
    """Find properties of Rollcall's objects that Rollcall has not created, by object."""
    names = _names(project)
    rows = fetch(connection, project.sql("rollcall_object_faults"), [acting_roles(settings), names])
    return [Conflict(row["object_name"], row["reason"]) for row in rows]


def findings_on_rollcall_objects(
    connection: Connection, project: Project, settings: Settings
) -> dict[str, list[str]]:
    """The findings of `assess` on Rollcall's objects, by rule of the schema suite."""
    acting = acting_roles(settings)
    dependencies = fetch(connection, project.sql("foreign_dependencies"), [acting])
    writers = fetch(connection, project.sql("ledger_writers"), [acting, settings.clean_role])
    return {
        "foreign_dependency": [row["found"] for row in dependencies],
        "bypassed_row_security": bypassing_views(connection, project),
        "ledger_writers": [row["found"] for row in writers],
    }


def refuse_foreign_ledger(connection: Connection, workspace: Workspace) -> None:
    """Refuse a ledger that is not Rollcall's own; a missing ledger passes.

    Raises:
        Refused: an object belongs to another role, or would run its code; names each object.
    """
    faults = [
        fault
        for fault in faults_of_rollcall_objects(connection, workspace.project, workspace.settings)
        if fault.object_name.split(".")[0] == LEDGER_SCHEMA
    ]
    if faults:
        raise Refused(
            "the ledger is not Rollcall's own: "
            + "; ".join(f"{fault.object_name}: {fault.reason}" for fault in faults),
            "Nothing was written to it. Have a superuser look at each object, and remove or re-own it",
        )


def lock_ledger(connection: Connection, project: Project) -> None:
    """Lock the ledger's tables as a write does, which waits for changes of their definition."""
    rows = fetch(connection, project.sql("lock_ledger"), [_names(project)])
    if rows and rows[0]["statement"]:
        fetch(connection, rows[0]["statement"])


def seal(connection: Connection, project: Project, created: Sequence[str]) -> None:
    """Check created objects and revoke default privileges on them, in the same transaction.

    Args:
        created: names of the objects that the executed statements created.

    Raises:
        Refused: a created definition refers to a function, an operator or a type of another role.
    """
    if not created:
        return
    revokes: Sequence[dict[str, str]] = fetch(connection, project.sql("default_grants"), [list(created)])
    for row in revokes:
        fetch(connection, row["statement"])
    dependencies = fetch(connection, project.sql("foreign_dependencies"), [[]])
    foreign = [row["found"] for row in dependencies if row["relation_name"] in created]
    if foreign:
        raise Refused(
            f"what was created refers to objects of another role: {'; '.join(foreign)}",
            "It was rolled back. Have a superuser look at them",
        )


def refuse_foreign_index(connection: Connection, workspace: Workspace, name: str) -> None:
    """Refuse an index that refers to objects of another role.

    Checked after the build: a concurrent build cannot be rolled back.

    Args:
        name: ``schema.name`` of the built index.

    Raises:
        Refused: the index refers to a function, an operator or a type of another role.
    """
    acting = acting_roles(workspace.settings)
    dependencies = fetch(connection, workspace.project.sql("foreign_dependencies"), [acting])
    foreign = [row["found"] for row in dependencies if row["created_name"] == name]
    if foreign:
        index = sql.Identifier(*name.split(".", 1)).as_string(None)
        raise Refused(
            f"an index that was built refers to objects of another role: {'; '.join(foreign)}",
            "A write to its table may run the code of that role. Have a superuser look at the objects, and "
            f"remove the index with `drop index concurrently {index}`",
        )


def _names(project: Project) -> list[str]:
    return [f"{own.schema}.{own.name}" for own in project.rollcall_relations]
