"""Rollcall's own schemas and relations: proof that no other role can run code through them.

The ledger is written with the rights of a run. A schema, a table, a trigger or a default that another role
has made beforehand, or may still make, would run that role's code with them.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from psycopg import sql

from rollcall.database.connections import Connection, fetch
from rollcall.dbt.project import Project
from rollcall.errors import Refused
from rollcall.schema.allow_list import LEDGER_SCHEMA, created_objects
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
    """Roles that act beside the login role, so that an object of Rollcall may belong to them."""
    return [settings.migrate_role] if settings.migrate_role is not None else []


def faults_of_rollcall_objects(
    connection: Connection, project: Project, settings: Settings
) -> list[Conflict]:
    """What Rollcall does not make about its own schemas and relations, by object."""
    names = _names(project)
    rows = fetch(connection, project.sql("own_object_faults"), [acting_roles(settings), names])
    return [Conflict(row["object_name"], row["reason"]) for row in rows]


def findings_on_rollcall_objects(
    connection: Connection, project: Project, settings: Settings
) -> dict[str, list[str]]:
    """By rule of the schema suite, what `assess` says of Rollcall's own objects."""
    acting = acting_roles(settings)
    dependencies = fetch(connection, project.sql("foreign_dependencies"), [acting])
    writers = fetch(connection, project.sql("ledger_writers"), [acting, settings.clean_role])
    return {
        "foreign_dependency": [row["found"] for row in dependencies],
        "bypassed_row_security": bypassing_views(connection, project),
        "ledger_writers": [row["found"] for row in writers],
    }


def refuse_foreign_ledger(connection: Connection, workspace: Workspace) -> None:
    """Make sure that the ledger, as far as it exists, is Rollcall's own.

    Raises:
        Refused: it belongs to another role, or would run that role's code; names each object.
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
    """Lock the ledger's tables like a write, so that no change of their definition is under way."""
    rows = fetch(connection, project.sql("lock_ledger"), [_names(project)])
    if rows and rows[0]["statement"]:
        fetch(connection, rows[0]["statement"])


def seal(connection: Connection, project: Project, parts: Iterable[str]) -> None:
    """Check what was created, and take back what default privileges gave away, in the same transaction.

    Args:
        parts: the statements that were sent.

    Raises:
        Refused: a created definition refers to a function, an operator or a type of another role.
    """
    created = created_objects(parts)
    if not created:
        return
    revokes: Sequence[dict[str, str]] = fetch(connection, project.sql("default_grants"), [created])
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
    """Make sure that an index refers to nothing of another role; a concurrent build cannot be rolled back.

    Args:
        name: ``schema.name`` of an index that was built.

    Raises:
        Refused: it refers to a function, an operator or a type of another role.
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
