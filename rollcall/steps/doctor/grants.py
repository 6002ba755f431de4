"""The statements that create Rollcall's roles, each with the least privileges."""

from __future__ import annotations

from dataclasses import dataclass

from rollcall.workspace import Workspace

__all__ = ["DEFAULT_ROLES", "Grant", "grants"]

DEFAULT_ROLES = {
    "read": "rollcall_read",
    "migrate": "rollcall_migrate",
    "clean": "rollcall_clean",
    "analyst": "rollcall_analyst",
    "views": "rollcall_views",
}


@dataclass(frozen=True)
class Grant:
    """A statement that creates or equips a role. section: its purpose."""

    section: str
    statement: str

    def to_json(self) -> dict[str, str]:
        return {"section": self.section, "statement": self.statement}


def grants(workspace: Workspace) -> tuple[Grant, ...]:
    """The statements for a read-only, a migrate, a clean-up and an analyst's role, in order.

    Where the tables have policies, also for a role that reads the views as the policies allow.
    """
    settings = workspace.settings
    names = [
        DEFAULT_ROLES["read"],
        settings.migrate_role or DEFAULT_ROLES["migrate"],
        settings.clean_role or DEFAULT_ROLES["clean"],
        DEFAULT_ROLES["analyst"],
        DEFAULT_ROLES["views"],
    ]
    with workspace.database.snapshot() as snapshot:
        rows = snapshot.rows(workspace.project.sql("doctor_grants"), names)
    return tuple(Grant(row["section"], row["statement"]) for row in rows)
