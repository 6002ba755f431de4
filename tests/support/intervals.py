"""What the tables of days and intervals must hold, from the rows of presence and calls alone."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from typing import Any
from zoneinfo import ZoneInfo

from tests.support.floor import Floor

QUARTER = timedelta(minutes=15)
WORKING = ("available", "on_call", "break", "coaching")
OUT = "offline"
TIMES = ("logged_in", "available", "on_call", "break", "ghost", "ghost_available")
CALLS = ("offered", "answered", "missed", "missed_as_ghost", "talk")
NOTHING = timedelta(0)


@dataclass(frozen=True)
class Shown:
    """An interval of one session, as `rollcall_ops.presence` holds it. until: none while it goes on."""

    session: str
    agent: str
    status: str
    presence: str
    is_newest: bool
    since: datetime
    until: datetime | None

    def covers(self, begin: datetime, end: datetime, last_look: datetime) -> bool:
        return self.since <= begin and min(self.until or last_look, last_look) >= end


@dataclass(frozen=True)
class Call:
    """A call that is over, as the application wrote it.

    at_no_time: the application wrote that it was connected at infinity.
    """

    agent: int | None
    direction: str
    started: datetime
    connected: datetime | None
    ended: datetime
    at_no_time: bool = False

    @property
    def is_answered(self) -> bool:
        return self.connected is not None or self.at_no_time

    @property
    def waited(self) -> int | None:
        """The seconds to the connection; none where it is unknown, or before the start."""
        if self.connected is None or self.connected < self.started:
            return None
        return round((self.connected - self.started).total_seconds())


@dataclass
class Day:
    """Sessions, looks and calls, and what a build must make of them."""

    looks: list[tuple[datetime, datetime | None]] = field(default_factory=list)
    shown: list[Shown] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)

    def write(self, floor: Floor, run_id: str) -> None:
        """Write all of it into an empty floor."""
        with floor.connect(autocommit=False) as connection:
            cursor = connection.cursor()
            cursor.executemany(
                "insert into rollcall_ops.presence_looks (look_at, run_id, previous_at, open_sessions)"
                " values (%s, %s, %s, 0)",
                [(look, run_id, previous) for look, previous in self.looks],
            )
            cursor.executemany(
                "insert into rollcall_ops.presence (session_id, agent_id, status, presence, reasons,"
                " has_live_call, valid_from, valid_to, recorded_by, ended_by)"
                " values (%s, %s, %s, %s, %s, false, %s, coalesce(%s::timestamptz, 'infinity'), %s, %s)",
                [
                    (
                        shown.session, shown.agent, shown.status, shown.presence,
                        [] if shown.is_newest else ["newer_session"],
                        shown.since, shown.until, shown.since, shown.until,
                    )
                    for shown in self.shown
                ],
            )  # fmt: skip
            cursor.executemany(
                "insert into call_sessions (agent_id, status, direction, started_at, connected_at, ended_at)"
                " values (%s, %s, %s, timezone('utc', %s::timestamptz), timezone('utc', %s::timestamptz),"
                " timezone('utc', %s::timestamptz))",
                [
                    (
                        call.agent, "completed" if call.is_answered else "missed_call", call.direction,
                        call.started, "infinity" if call.at_no_time else call.connected, call.ended,
                    )
                    for call in self.calls
                ],
            )  # fmt: skip
            connection.commit()

    # --- what must come of it ---------------------------------------------------------------------

    @property
    def last_look(self) -> datetime:
        return max((look for look, _ in self.looks), default=datetime.min.replace(tzinfo=UTC))

    def observed(self, begin: datetime, end: datetime) -> timedelta:
        return sum(
            (_overlap(previous, look, begin, end) for look, previous in self.looks if previous), NOTHING
        )

    def state(self, agent: str, begin: datetime, end: datetime) -> Shown | None:
        """The interval that counts for an agent in a time in which nothing changes."""
        found = [one for one in self.shown if one.agent == agent and one.covers(begin, end, self.last_look)]
        return min(
            found,
            key=lambda one: (
                one.presence == "ghost", not one.is_newest, -one.since.timestamp(), one.session
            ),
            default=None,
        )  # fmt: skip

    def is_available_ghost(self, agent: str, moment: datetime) -> bool:
        found = self.state(agent, moment, moment + timedelta(milliseconds=1))
        return found is not None and found.presence == "ghost" and found.status == "available"

    def times(self, agent: str, begin: datetime, end: datetime) -> dict[str, timedelta] | None:
        """How long the agent was in each state; none where the agent had no session."""
        mine = [one for one in self.shown if one.agent == agent]
        cuts = {begin, end, self.last_look}
        cuts |= {moment for one in mine for moment in (one.since, one.until) if moment}
        moments = sorted(cut for cut in cuts if begin <= cut <= end)
        spent: dict[str, timedelta] = defaultdict(timedelta)
        had_session = False
        for since, until in pairwise(moments):
            found = self.state(agent, since, until)
            had_session = had_session or found is not None
            if found is None or found.status == OUT:
                continue
            if found.presence == "ghost":
                spent["ghost"] += until - since
                if found.status == "available":
                    spent["ghost_available"] += until - since
            else:
                spent["logged_in"] += until - since
                spent[found.status] += until - since
        return {name: spent[name] for name in TIMES} if had_session else None

    def agent_interval(self, agent: str, begin: datetime, end: datetime) -> dict[str, Any] | None:
        """The row of an agent and a stretch of time; none where there is none."""
        times = self.times(agent, begin, end)
        mine = [call for call in self.calls if str(call.agent) == agent]
        begun = [call for call in mine if begin <= call.started < end]
        offered = [call for call in begun if call.direction == "inbound"]
        talked = [_overlap(call.connected, call.ended, begin, end) for call in mine if call.connected]
        if times is None and not begun and not any(talked):
            return None
        observed = self.observed(begin, end)
        missed = [call for call in offered if not call.is_answered]
        row: dict[str, Any] = {"observed": observed}
        for name in TIMES:
            row[name] = (times or {}).get(name, NOTHING) if observed else None
        row |= {
            "offered": len(offered),
            "answered": len(offered) - len(missed),
            "missed": len(missed),
            "missed_as_ghost": sum(self.is_available_ghost(agent, call.started) for call in missed)
            if observed
            else None,
            "talk": sum(talked, NOTHING),
        }
        return row

    def queue_interval(self, begin: datetime, end: datetime, service_level: float) -> dict[str, Any]:
        offered = [c for c in self.calls if c.direction == "inbound" and begin <= c.started < end]
        answered = [call for call in offered if call.is_answered]
        waits = [call.waited for call in answered if call.waited is not None]
        missed = [call for call in offered if not call.is_answered]
        in_time, counted = sum(wait <= service_level for wait in waits), len(waits) + len(missed)
        agents = {one.agent for one in self.shown}
        rung = [call for call in missed if any(self.is_available_ghost(a, call.started) for a in agents)]
        return {
            "observed": self.observed(begin, end),
            "offered": len(offered),
            "answered": len(answered),
            "abandoned": len(missed),
            "in_time": in_time,
            "average": sum(waits) / len(waits) if waits else None,
            "level": in_time / counted if counted else None,
            "missed_with_ghost": len(rung) if self.observed(begin, end) else None,
            "waited": sum(waits),
            "known_waits": len(waits),
            "counted": counted,
        }


def quarters(zone: str, day: date) -> Iterator[datetime]:
    """The quarter hours of a local day, as instants."""
    local = ZoneInfo(zone)
    begin = datetime(day.year, day.month, day.day, tzinfo=local).astimezone(UTC)
    following = day + timedelta(days=1)
    end = datetime(following.year, following.month, following.day, tzinfo=local).astimezone(UTC)
    while begin < end:
        yield begin
        begin += QUARTER


def played(dice: random.Random, agents: Sequence[int], begin: datetime, hours: float) -> Day:
    """Looks with gaps, sessions that overlap, ghosts, and calls across every border; drawn."""
    day = Day()
    moment, end = begin, begin + timedelta(hours=hours)
    previous = None
    while moment < end:
        day.looks.append((moment, previous))
        is_gap = dice.random() < 0.02
        previous = None if is_gap else moment
        moment += timedelta(minutes=95 if is_gap else 5, seconds=dice.uniform(0, 20))
    for agent in agents:
        for number in range(2):  # two sessions at a time
            _sessions(dice, day, agent, number, begin, end)
        for _ in range(round(hours)):
            _call(dice, day, agent, begin + (end - begin) * dice.random())
    for _ in range(round(hours / 2)):
        _call(dice, day, None, begin + (end - begin) * dice.random())
    return day


def _sessions(dice: random.Random, day: Day, agent: int, number: int, begin: datetime, end: datetime) -> None:
    """Intervals one after the other where looks cover the time; the last one may go on."""
    moment = begin + timedelta(minutes=dice.uniform(0, 90))
    while moment < day.last_look:
        until = min(moment + timedelta(minutes=dice.expovariate(1 / 40) + 0.5), day.last_look)
        goes_on = until == day.last_look and dice.random() < 0.5
        gaps = [before for (_, before), (before_gap, _) in zip(day.looks[1:], day.looks, strict=False)
                if before is None and moment <= before_gap < until]  # fmt: skip
        if gaps == [] and _is_covered(day, moment, until):
            day.shown.append(
                Shown(
                    f"session {agent} {number} {len(day.shown)}",
                    str(agent),
                    dice.choice([*WORKING, OUT]),
                    dice.choice(["there", "there", "unknown", "ghost"]),
                    number == 0,
                    moment,
                    None if goes_on else until,
                )
            )
        moment = until if dice.random() < 0.7 else until + timedelta(minutes=dice.uniform(0, 60))


def _is_covered(day: Day, since: datetime, until: datetime) -> bool:
    return day.observed(since, until) == until - since


def _call(dice: random.Random, day: Day, agent: int | None, started: datetime) -> None:
    started = started.replace(microsecond=dice.randrange(1000) * 1000)
    waited = timedelta(seconds=dice.choice([3, 20, 21, 90]))
    talked = timedelta(minutes=dice.choice([0.5, 7, 40]))
    is_answered = agent is not None and dice.random() < 0.6
    connected = started + waited if is_answered else None
    direction = dice.choice(["inbound", "inbound", "outbound"])
    ended = started + waited + talked if is_answered else started + waited
    is_without_a_time = is_answered and dice.random() < 0.1
    if is_without_a_time:
        connected = None
    elif is_answered and dice.random() < 0.1:
        connected = started - waited  # by another clock
    day.calls.append(Call(agent, direction, started, connected, ended, is_without_a_time))


def _overlap(since: datetime, until: datetime, begin: datetime, end: datetime) -> timedelta:
    return max(min(until, end) - max(since, begin), NOTHING)
