"""A floor played minute by minute, its looks, and the presence intervals that Python makes of them."""

from __future__ import annotations

import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

from tests.support.floor import Floor

Interval = tuple[str, str, str, tuple[str, ...], bool, datetime, datetime | None]
"""Session, status, presence, reasons, whether it had a live call, from, to (none: it goes on)."""

WINDOW = timedelta(hours=2)
FRESH = timedelta(minutes=5)
GAP = timedelta(minutes=15)


@dataclass
class Played:
    """One session as the application wrote it: its statuses, signs of life and calls, by instant."""

    agent: int
    login: datetime
    logout: datetime | None = None
    closed: datetime | None = None
    statuses: list[tuple[datetime, str]] = field(default_factory=list)
    signs: list[datetime] = field(default_factory=list)
    calls: list[tuple[datetime, datetime]] = field(default_factory=list)

    def is_open(self, moment: datetime) -> bool:
        """Whether the application shows it open. closed: when it wrote the logout."""
        return self.login <= moment and (self.closed is None or self.closed > moment)

    def seen_at(self, moment: datetime) -> datetime:
        ends = [end for _, end in self.calls]
        starts = [start for start, _ in self.calls]
        return max(sign for sign in [self.login, *self.signs, *starts, *ends] if sign <= moment)

    def state(self, moment: datetime) -> tuple[str, str, tuple[str, ...], bool]:
        status = [status for at, status in self.statuses if at <= moment][-1]
        on_call = any(start <= moment < end for start, end in self.calls)
        is_ghost = self.seen_at(moment) < moment - WINDOW and not on_call
        reasons = [
            name
            for name, holds in (("abandoned", is_ghost), ("not_available", status != "available"))
            if holds
        ]
        return status, "ghost" if is_ghost else "there", tuple(reasons), on_call


def play(dice: random.Random, agents: Sequence[int], begin: datetime, minutes: int) -> list[Played]:
    """Sessions of these agents, drawn: logins, breaks, heartbeats, calls, logouts, crashes, late logouts."""
    sessions = []
    for agent in agents:
        minute = dice.uniform(0, 60)
        while minute < minutes - 60:
            session = Played(agent, _at(begin, minute))
            session.statuses.append((session.login, "available"))
            sessions.append(session)
            minute = _shift(dice, session, begin, minute, minutes)
    return sessions


def _shift(dice: random.Random, session: Played, begin: datetime, minute: float, minutes: int) -> float:
    """Play one session until it is closed. Gives the minute of the next login."""
    for _ in range(dice.randint(2, 14)):
        minute += dice.expovariate(1 / 12) + 0.1
        moment = _at(begin, minute)
        what = dice.choice(["sign", "sign", "break", "available", "call", "beacon"])
        if what == "call":
            end = _at(begin, minute := minute + dice.uniform(1, 20))
            session.calls.append((moment, end))
            session.statuses += [(moment, "on_call"), (end, "available")]
        elif what == "beacon":  # a closed tab: no sign of life
            session.statuses.append((moment, "offline"))
        else:
            session.signs.append(moment)
            if what != "sign":
                session.statuses.append((moment, what))
    ending = dice.choice(["logout", "crash", "late logout", "stays"])
    last = minute
    if ending == "logout":
        minute += dice.uniform(0.1, 10)
        session.logout = session.closed = _at(begin, minute)
    elif ending in ("crash", "late logout"):
        minute += dice.uniform(30, 240)
        session.closed = _at(begin, minute)
        # written later than it says, or at the moment itself
        session.logout = _at(begin, last + 0.5) if ending == "late logout" else session.closed
    else:
        return float(minutes)
    return minute + dice.uniform(5, 40)


def _at(begin: datetime, minute: float) -> datetime:
    return begin + timedelta(milliseconds=round(minute * 60_000))


class Stage:
    """Shows the played sessions to the database as they were at an instant."""

    def __init__(self, floor: Floor, sessions: Sequence[Played]) -> None:
        self.floor = floor
        self.sessions = sessions
        self.keys: dict[int, str] = {}

    def show(self, moment: datetime) -> None:
        """Write what the application had written by then."""
        with self.floor.connect(autocommit=False) as connection:
            connection.execute("truncate call_sessions")
            for number, session in enumerate(self.sessions):
                if session.login > moment:
                    continue
                status = session.state(moment)[0]
                is_open = session.is_open(moment)
                row = {
                    "agent": session.agent,
                    "status": status if is_open else "offline",
                    "login": _naive(session.login),
                    "logout": None if is_open else _naive(session.logout),
                    "seen": _naive(max(sign for sign in [session.login, *session.signs] if sign <= moment)),
                }
                if number not in self.keys:
                    self.keys[number] = connection.execute(INSERT, row).fetchone()[0]  # type: ignore[index]
                else:
                    connection.execute(UPDATE, row | {"key": self.keys[number]})
                for start, end in session.calls:
                    if start <= moment:
                        ended = _naive(end) if end <= moment else None
                        call = [
                            session.agent,
                            "completed" if ended else "connected",
                            *[_naive(start)] * 2,
                            ended,
                        ]
                        connection.execute(CALL, call)
            connection.commit()


INSERT = """
    insert into agent_sessions (agent_id, status, login_at, logout_at, last_activity)
    values (%(agent)s, %(status)s, %(login)s, %(logout)s, %(seen)s) returning id::text
"""
UPDATE = """
    update agent_sessions set status = %(status)s, logout_at = %(logout)s, last_activity = %(seen)s
    where id = %(key)s
"""
CALL = """
    insert into call_sessions (agent_id, status, direction, started_at, connected_at, ended_at)
    values (%s, %s, 'inbound', %s, %s, %s)
"""


def _naive(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=None)


# --- the computation ----------------------------------------------------------------------------------


def expected(session: Played, key: str, looks: Sequence[datetime]) -> list[Interval]:
    """The intervals of a session, from all looks at once and everything that is known in the end."""
    found: list[list[Any]] = []
    for stretch in _without_gaps(looks):
        observed = _observed(session, stretch)
        if observed and observed[-1][2] is None and stretch[-1] != looks[-1]:
            observed[-1][2] = stretch[-1]
        found += observed
    for since, until in _absences(session, looks):
        found = [piece for interval in found for piece in _cut(interval, since, until)]
    return merged((key, *state, begin, end) for state, begin, end in found)


def _without_gaps(looks: Sequence[datetime]) -> list[list[datetime]]:
    stretches = [[looks[0]]]
    for before, look in pairwise(looks):
        if look - before > GAP:
            stretches.append([])
        stretches[-1].append(look)
    return stretches


def _observed(session: Played, looks: Sequence[datetime]) -> list[list[Any]]:
    """What the looks of one stretch without a gap show, dated: [state, from, to]."""
    found: list[list[Any]] = []
    for number, look in enumerate(looks):
        earlier = looks[number - 1] if number else None
        state = session.state(look) if session.is_open(look) else None
        known = found[-1] if found and found[-1][2] is None else None
        if known is not None and known[0] == state:
            continue
        change = look
        if known is not None and earlier is not None:
            change = known[2] = _dated(session, known[0], state, earlier, look)
        elif earlier is not None and session.login > earlier:
            change = session.login
        if state is not None:
            found.append([state, change, None])
    return found


def _dated(session: Played, known: Any, state: Any, earlier: datetime, look: datetime) -> datetime:
    """When the known state ended, as far as evidence says."""
    if state is None:
        return session.logout if session.logout and session.logout > earlier else look
    if known[1] == "ghost" and state[1] == "there" and session.seen_at(look) > earlier:
        return session.seen_at(look)
    return look


def _absences(session: Played, looks: Sequence[datetime]) -> Iterator[tuple[datetime, datetime]]:
    """From when to when the agent was gone, as a later look proves."""
    for earlier, look in pairwise(looks):
        if not session.is_open(earlier):
            continue
        was_ghost = session.state(earlier)[1] == "ghost"
        if session.is_open(look):
            if session.state(look)[1] == "ghost" and not was_ghost:
                yield session.seen_at(look) + FRESH, look
        elif not was_ghost and session.logout is not None and session.logout <= earlier:
            yield session.logout, look


def _cut(interval: list[Any], since: datetime, until: datetime) -> Iterator[list[Any]]:
    """The parts of an interval, of which that between the two instants is a ghost's."""
    (status, presence, reasons, on_call), begin, end = interval
    first, last = max(begin, since), until if end is None else min(end, until)
    if begin == end and since < begin < until:
        first = last = begin  # seen by one look between two gaps
    elif first >= last:
        first = last = None
    if presence == "ghost" or first is None:
        yield interval
        return
    if begin < first:
        yield [(status, presence, reasons, on_call), begin, first]
    yield [(status, "ghost", reasons, on_call), first, last]
    if end is None or last < end:
        yield [(status, presence, reasons, on_call), last, end]


def merged(intervals: Any) -> list[Interval]:
    """Sorted, and what adjoins in the same state as one interval."""
    result: list[Any] = []
    for interval in sorted(intervals, key=lambda found: (found[0], found[5], found[6] is None, found[6])):
        if result and result[-1][:5] == interval[:5] and result[-1][6] == interval[5]:
            result[-1] = (*interval[:5], result[-1][5], interval[6])
        else:
            result.append(tuple(interval))
    return result
