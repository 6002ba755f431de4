"""Floors on which sessions fall silent, built in one transaction, for tests of the breaker."""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from rollcall.ledger.runs import open_run
from rollcall.steps.clean.breaker import check_breaker
from rollcall.steps.clean.cleaning import clean
from tests.support.floor import Floor

SHIFT_MINUTES = 500
CALL_EVERY = 10.0


@dataclass(frozen=True)
class Group:
    """Agents of one session each.

    Attributes:
        size: how many.
        seen: minutes since the last sign of life of the first; the others were seen up to `spread` earlier.
        calls_until: minutes ago of each agent's last calls, one every `calls_every`; none: no calls.
        login: minutes since the login.
    """

    size: int
    seen: float
    spread: float = 0.0
    calls_until: float | None = None
    calls_every: float = CALL_EVERY
    login: float = SHIFT_MINUTES


def outage(size: int, seen: float = 125, spread: float = 2) -> Group:
    """Agents who have not been called for hours, so that nothing but the feed shows them."""
    return Group(size, seen, spread, calls_until=300, calls_every=1_000)


def alive(size: int) -> Group:
    """Agents whose feed and calls go on."""
    return Group(size, seen=1, calls_until=5)


def leavers(size: int, seen: float = 125, spread: float = 4) -> Group:
    """Agents who leave without a logout: their calls end with them."""
    return Group(size, seen, spread, calls_until=seen + spread + 5)


def ghosts(size: int, seen: float = 200, spread: float = 4_000) -> Group:
    """Sessions that were lost one by one."""
    return Group(size, seen, spread, login=seen + spread + SHIFT_MINUTES)


def fill(floor: Floor, *groups: Group) -> None:
    """Add the groups' agents, sessions and calls."""
    with floor.connect(autocommit=False) as connection:
        cursor = connection.cursor()
        for group in groups:
            sessions: list[Any] = []
            calls: list[Any] = []
            for number in range(group.size):
                row = cursor.execute(
                    "insert into agents (email) values (%s) returning id", [uuid.uuid4().hex]
                ).fetchone()
                assert row is not None
                seen = floor.at(group.seen + group.spread * number / max(1, group.size - 1))
                sessions.append((row[0], floor.at(group.login), seen))
                if group.calls_until is not None:
                    minutes = 300.0
                    while minutes >= group.calls_until:
                        connected = floor.at(minutes)
                        assert connected is not None
                        calls.append((row[0], connected, connected, connected + timedelta(minutes=1)))
                        minutes -= group.calls_every
            cursor.executemany(
                "insert into agent_sessions (agent_id, status, login_at, last_activity)"
                " values (%s, 'available', %s, %s)",
                sessions,
            )
            cursor.executemany(
                "insert into call_sessions (agent_id, status, direction, started_at, connected_at, ended_at)"
                " values (%s, 'completed', 'inbound', %s, %s, %s)",
                calls,
            )
        connection.commit()


def heartbeat_outage(floor: Floor) -> None:
    """30 of 31 sessions fell silent within minutes of each other, while calls go on."""
    for _ in range(30):
        floor.session(seen=125, login=300)
    agent = floor.agent()
    floor.session(agent, seen=1, login=300)
    for minutes in range(5, 240, 10):
        floor.call(agent, minutes, "completed", "inbound", connected=minutes, ended=minutes - 1)


def unattended(floor: Floor) -> int:
    """Clean as `clean --unattended` does; returns how many sessions it changed."""
    plan = floor.plan()
    with open_run(floor.workspace, "clean") as run:
        check_breaker(floor.workspace, plan)
        return clean(floor.workspace, run, plan, unattended=True).changed
