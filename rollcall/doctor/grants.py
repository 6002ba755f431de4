"""The statements that make Rollcall's roles, each with the least rights."""

from __future__ import annotations

from dataclasses import dataclass

from rollcall.workspace import Workspace

__all__ = ["DEFAULT_ROLES", "Grant", "grants"]

DEFAULT_ROLES = {
    "read": "rollcall_read",
    "migrate": "rollcall_migrate",
    "clean": "rollcall_clean",
    "views": "rollcall_views",
}


@dataclass(frozen=True)
class Grant:
    """One statement of the set that makes our roles. section: what it is for."""

    section: str
    statement: str

    def to_json(self) -> dict[str, str]:
        return {"section": self.section, "statement": self.statement}


def grants(workspace: Workspace) -> tuple[Grant, ...]:
    """The statements that make a read-only, a migrate and a clean-up role and one for the views, in order."""
    settings = workspace.settings
    names = [
        DEFAULT_ROLES["read"],
        settings.migrate_role or DEFAULT_ROLES["migrate"],
        settings.clean_role or DEFAULT_ROLES["clean"],
        DEFAULT_ROLES["views"],
    ]
    with workspace.database.snapshot() as snapshot:
        rows = snapshot.rows(workspace.project.sql("doctor_grants"), names)
    return tuple(Grant(row["section"], row["statement"]) for row in rows)
