"""Row-level security of the application's tables, applied to readers of Rollcall's views.

A view reads with the rights of its owner, unless it is a `security_invoker` (PostgreSQL 15 and later).
"""

from __future__ import annotations

from dataclasses import dataclass

from rollcall.database.connections import Connection, fetch
from rollcall.dbt.project import Project, RollcallRelation
from rollcall.schema.allow_list import reads_application

__all__ = ["RowSecurity", "bypassing_views", "invoker_statement", "read_row_security"]


@dataclass(frozen=True)
class RowSecurity:
    """Whether the tables have row-level security, and whether views can apply it."""

    is_enabled: bool
    views_can_apply_it: bool

    def needs_invoker(self, view: RollcallRelation) -> bool:
        """Whether the view must read with the rights of its reader."""
        return self.is_enabled and self.views_can_apply_it and reads_application(view.statement)

    def is_bypassed_by(self, view: RollcallRelation) -> bool:
        """Whether the view would show rows that the policies hide from its reader."""
        return self.is_enabled and not self.views_can_apply_it and reads_application(view.statement)


def read_row_security(connection: Connection, project: Project) -> RowSecurity:
    """Read the state of row-level security from the catalog."""
    row = fetch(connection, project.sql("row_security"))[0]
    return RowSecurity(row["is_enabled"], row["views_can_apply_it"])


def bypassing_views(connection: Connection, project: Project) -> list[str]:
    """The views that cannot apply row-level security on this server."""
    security = read_row_security(connection, project)
    return [
        f"{own.schema}.{own.name}"
        for own in project.rollcall_relations
        if own.kind == "view" and security.is_bypassed_by(own)
    ]


def invoker_statement(view: RollcallRelation) -> str:
    """The statement that lets the view read with the rights of its reader."""
    return f'alter view "{view.schema}"."{view.name}" set (security_invoker = true)'
