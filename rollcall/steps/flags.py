"""Feature flags: new routing is off until it is switched on.

Switching a flag off takes effect with the next query and needs no deployment.
"""

from __future__ import annotations

import getpass

import psycopg

from rollcall import __version__
from rollcall.database.connections import Connection, fetch
from rollcall.errors import ConfigurationError, Refused
from rollcall.ledger.flags import (
    FLAGS,
    HEARTBEAT_FEED,
    PAUSE_CLEANING,
    ROUTE_BY_HEARTBEAT,
    Flag,
    is_on,
    show,
)
from rollcall.ledger.ownership import lock_ledger, refuse_foreign_ledger
from rollcall.ledger.runs import has_ledger, insert_run, ledger_needed
from rollcall.steps.assess.assessment import assess
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

REASON_LENGTH = 500


def switch(
    workspace: Workspace, name: str, *, on: bool, reason: str | None = None, force: bool = False
) -> bool:
    """Switch a flag; takes effect with the next query. Switching off always works.

    Args:
        reason: the reason, which is recorded.
        force: switch on in spite of a failed heartbeat feed; needs a reason.

    Returns:
        whether the switch is recorded; switching off works without the privilege to record it.

    Raises:
        ConfigurationError: there is no such flag, no reason for force, or no ledger yet.
        LedgerHidden: the role may not switch the flag, or may not record that it was switched on.
        Refused: routing by heartbeat would leave agents unreachable, or the ledger is not Rollcall's.
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
    entry = [__version__, _record_of(name, on=on, reason=reason, force=force)]
    project = workspace.project
    with ledger_needed(), workspace.database.transaction() as connection:
        lock_ledger(connection, workspace.project)
        refuse_foreign_ledger(connection, workspace)
        fetch(connection, project.sql("switch_flag"), [name, on])
        record = _record_if_possible if not on else insert_run
        return record(connection, project.sql("record_switch"), entry) is not None


def _refuse_dead_feed(workspace: Workspace) -> None:
    """Refuse to route by heartbeat while working sessions have no fresh heartbeat."""
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


def _record_if_possible(connection: Connection, query: str, entry: list[str]) -> str | None:
    """Record a switch to off if possible; none: it is not recorded."""
    try:
        with connection.transaction():
            return insert_run(connection, query, entry)
    except psycopg.Error:
        return None
