"""Feature flags: rows of `rollcall_ops.flags`, read at query time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from rollcall.database.connections import Snapshot
from rollcall.dbt.project import Project
from rollcall.ledger.runs import has_ledger, ledger_needed
from rollcall.workspace import Workspace

__all__ = ["FLAGS", "HEARTBEAT_FEED", "PAUSE_CLEANING", "ROUTE_BY_HEARTBEAT", "Flag", "is_on", "show"]

ROUTE_BY_HEARTBEAT = "route_by_heartbeat"
HEARTBEAT_FEED = "heartbeat_feed"  # the rule that detects an unreliable heartbeat feed
PAUSE_CLEANING = "pause_cleaning"  # read by analyses/clean/holds.sql
FLAGS = {
    ROUTE_BY_HEARTBEAT: "rollcall.routable_agents requires a fresh heartbeat, a connected device and free "
    "capacity, not the status alone",
    PAUSE_CLEANING: "clean and undo wait between two batches, for up to hold_max_minutes",
}


@dataclass(frozen=True)
class Flag:
    """A feature flag; changed_at and changed_by are None for a flag that was never switched."""

    name: str
    is_on: bool
    meaning: str
    changed_at: datetime | None
    changed_by: str | None

    def to_json(self) -> dict[str, object]:
        return {
            "name": self.name,
            "is_on": self.is_on,
            "meaning": self.meaning,
            "changed_at": self.changed_at.isoformat() if self.changed_at else None,
            "changed_by": self.changed_by,
        }


def show(workspace: Workspace) -> list[Flag]:
    """Read all flags.

    Raises:
        LedgerHidden: the role has no right to read them.
    """
    with workspace.database.snapshot() as snapshot, ledger_needed():
        return _flags(snapshot, workspace.project)


def is_on(snapshot: Snapshot, project: Project, name: str) -> bool:
    """Whether a flag is on; off where the ledger is not deployed.

    Raises:
        psycopg.errors.InsufficientPrivilege: the role has no right to read it.
    """
    return any(flag.is_on for flag in _flags(snapshot, project) if flag.name == name)


def _flags(snapshot: Snapshot, project: Project) -> list[Flag]:
    deployed = has_ledger(snapshot, project, "flags")
    rows = {row["name"]: row for row in snapshot.rows(project.sql("show_flags"))} if deployed else {}
    return [
        Flag(
            name=name,
            is_on=rows[name]["is_on"] if name in rows else False,
            meaning=meaning,
            changed_at=rows[name]["changed_at"] if name in rows else None,
            changed_by=rows[name]["changed_by"] if name in rows else None,
        )
        for name, meaning in FLAGS.items()
    ]
