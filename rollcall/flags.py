"""Feature flags: whatever routes calls in a new way is off until somebody switches it on.

A flag is a row of `rollcall_ops.flags`, read at query time: turning it off needs no deployment.
"""

from __future__ import annotations

import getpass
from dataclasses import dataclass
from datetime import datetime

import psycopg

from rollcall import __version__
from rollcall.database import Connection, Row, Snapshot, fetch
from rollcall.errors import ConfigurationError, Refused
from rollcall.ledger import has_ledger, ledger_needed, run_id
from rollcall.own_objects import lock_ledger, refuse_foreign_ledger
from rollcall.project import Project
from rollcall.workspace import Workspace

__all__ = [
    "FLAGS",
    "HEARTBEAT_FEED",
    "PAUSE_CLEANING",
    "ROUTE_BY_HEARTBEAT",
    "Flag",
    "is_on",
    "show",
    "switch",
]

ROUTE_BY_HEARTBEAT = "route_by_heartbeat"
HEARTBEAT_FEED = "heartbeat_feed"  # the rule that says whether heartbeats can decide
REASON_LENGTH = 500
PAUSE_CLEANING = "pause_cleaning"  # read by analyses/clean/holds.sql
FLAGS = {
    ROUTE_BY_HEARTBEAT: "rollcall.routable_agents asks for a fresh heartbeat, a connected device and free "
    "capacity, not for the status alone",
    PAUSE_CLEANING: "clean and undo wait between two batches, for up to hold_max_minutes",
}


@dataclass(frozen=True)
class Flag:
    """A flag; changed_at and changed_by are none when it was never switched."""

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
    """Every flag that there is.

    Raises:
        LedgerHidden: our role may not read them.
    """
    with workspace.database.snapshot() as snapshot, ledger_needed():
        return _flags(snapshot, workspace.project)


def is_on(snapshot: Snapshot, project: Project, name: str) -> bool:
    """Whether a flag is on; off where our ledger is not deployed.

    Raises:
        psycopg.errors.InsufficientPrivilege: our role may not read it.
    """
    return any(flag.is_on for flag in _flags(snapshot, project) if flag.name == name)


def switch(
    workspace: Workspace, name: str, *, on: bool, reason: str | None = None, force: bool = False
) -> bool:
    """Switch a flag; takes effect with the next query. Switching off always works.

    Args:
        reason: why, for the record of the switch.
        force: switch on although the flag would do harm now; needs a reason.

    Returns:
        Whether the switch is recorded. One to off is executed even where our role may not record it.

    Raises:
        ConfigurationError: there is no such flag, no reason for force, or no ledger yet.
        LedgerHidden: our role may not switch it, or may not record that it was switched on.
        Refused: to route by heartbeat now would empty the routing, or the ledger is not Rollcall's own.
    """
    if name not in FLAGS:
        raise ConfigurationError(f"there is no flag {name}", f"the flags are: {', '.join(FLAGS)}")
    if force and not (reason or "").strip():
        raise ConfigurationError("--force needs a reason", "give it with --reason TEXT; it is recorded")
    with workspace.database.snapshot() as snapshot:
        if not has_ledger(snapshot, workspace.project, "flags"):
            raise ConfigurationError(
                "the flags' table is not deployed, so every flag is off", "run `rollcall run` first"
            )
    if on and name == ROUTE_BY_HEARTBEAT and not force:
        _refuse_dead_feed(workspace)
    entry = [run_id(), __version__, _record_of(name, on=on, reason=reason, force=force)]
    project = workspace.project
    with ledger_needed(), workspace.database.transaction() as connection:
        lock_ledger(connection, workspace.project)
        refuse_foreign_ledger(connection, workspace)
        fetch(connection, project.sql("switch_flag"), [name, on])
        record = _record_if_possible if not on else fetch
        return record(connection, project.sql("record_switch"), entry) is not None


def _refuse_dead_feed(workspace: Workspace) -> None:
    """Make sure that agents stay routable once heartbeats decide."""
    from rollcall.assessment import assess  # which reads the flags

    feed = [rule for rule in assess(workspace).rules if rule.name == HEARTBEAT_FEED]
    if feed and feed[0].passed:
        return
    why = (
        f"{feed[0].violations} working sessions have no fresh heartbeat"
        if feed
        else "the heartbeats could not be judged"
    )
    raise Refused(
        f"{ROUTE_BY_HEARTBEAT} was not switched on, because no agent without a fresh heartbeat could be "
        f"reached: {why}",
        f"mend the feed until `rollcall assess` finds no violation of {HEARTBEAT_FEED}; to switch all the "
        "same, give --force --reason TEXT",
    )


def _record_of(name: str, *, on: bool, reason: str | None, force: bool) -> str:
    """Like “alice: route_by_heartbeat on, forced: the feed is tested by hand”."""
    text = f"{getpass.getuser()}: {name} {'on' if on else 'off'}{', forced' if force and on else ''}"
    return text + (f": {' '.join(reason.split())[:REASON_LENGTH]}" if reason else "")


def _record_if_possible(connection: Connection, query: str, entry: list[str]) -> list[Row] | None:
    """Record a switch to off; where that is impossible the switch stays, and none is returned."""
    try:
        with connection.transaction():
            return fetch(connection, query, entry)
    except psycopg.Error:
        return None


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
