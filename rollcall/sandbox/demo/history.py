"""The closed sessions and ended calls of the history, streamed in the order of login.

One function per defect turns a sound row into a defective one. To add a defect, add a function. The history
ends twelve hours before now, so that no call in it affects an open session.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Generic, TypeVar

from rollcall.sandbox.demo.rows import Call, Keys, Session, Words

HISTORY_ENDS_HOURS_AGO = 12
SHORTEST_SESSION = timedelta(hours=1)
LONGEST_SESSION_MINUTES = 540


@dataclass(frozen=True)
class Workforce:
    """The agents of the history."""

    agents: Sequence[int]
    """Numbers, in the order in which they take turns."""
    until: Mapping[int, datetime]
    """When an agent's past ends, if before that of all others: no call of theirs is later."""
    hosts: Sequence[int]
    """Present agents, for whom forgotten older sessions can be planted."""


class History:
    """Stream the sessions and calls of the history in exact numbers."""

    def __init__(
        self,
        begin: datetime,
        end: datetime,
        words: Words,
        keys: Keys,
        rng: random.Random,
        workforce: Workforce,
        *,
        heartbeats: bool = False,
    ) -> None:
        self.words = words
        self.rng = rng
        self.heartbeats = heartbeats
        """Forgotten sessions sent heartbeats as long as their agent was there."""
        self._begin = begin
        self._end = end
        self._keys = keys
        self._agents = endless(workforce.agents)
        self._until = workforce.until
        self._hosts = endless(workforce.hosts)

    def rows(
        self,
        sessions: int,
        calls: int,
        session_defects: Mapping[str, int],
        call_defects: Mapping[str, int],
    ) -> Iterator[Session | Call]:
        """Yield `sessions` sessions with `calls` calls, with so many defects among them."""
        session_kinds = spread(sessions, session_defects)
        call_kinds = spread(calls, call_defects)
        for index, session_kind in enumerate(session_kinds):
            session = self._session(index, sessions)
            count = (index + 1) * calls // sessions - index * calls // sessions
            for call in self._calls(session, count):
                call_kind = next(call_kinds)
                if call_kind is not None:
                    CALL_DEFECTS[call_kind].spoil(self, call)
                yield call
            if session_kind is not None:
                SESSION_DEFECTS[session_kind].spoil(self, session)
                session.kind = session_kind
            yield session

    def purged_call(self) -> str:
        """The key of a call that the nightly purge has deleted."""
        return self._keys.new()

    def host(self) -> int:
        """An agent who is present now, in a newer session."""
        return next(self._hosts)

    def minutes(self, least: float, most: float) -> timedelta:
        """A duration in whole milliseconds."""
        return timedelta(milliseconds=int((least + (most - least) * self.rng.random()) * 60_000))

    def _session(self, index: int, sessions: int) -> Session:
        share = (index + self.rng.random()) / sessions
        span = self._end - SHORTEST_SESSION - self._begin
        login = self._begin + timedelta(milliseconds=int(span / timedelta(milliseconds=1) * share))
        agent, until = self._agent_at(login)
        logout = min(login + self.minutes(60, LONGEST_SESSION_MINUTES), until)
        status = self.words.offline if self.rng.random() < 0.9 else self.words.ended
        return Session(
            key=self._keys.new(),
            agent=agent,
            status=status,
            login_at=login,
            last_activity=logout,
            logout_at=logout,
            expected_status=status,
        )

    def _agent_at(self, login: datetime) -> tuple[int, datetime]:
        """The next agent whose history lasts at least an hour longer, and its end."""
        while True:
            agent = next(self._agents)
            until = self._until.get(agent, self._end)
            if until - login >= SHORTEST_SESSION:
                return agent, until

    def _calls(self, session: Session, count: int) -> Iterator[Call]:
        """Consecutive calls between login and logout; counts them in the session."""
        assert session.logout_at is not None
        slot = (session.logout_at - session.login_at) / max(count, 1)
        for turn in range(count):
            started = floor_to_millisecond(session.login_at + slot * (turn + 0.2))
            longest = min(slot * 0.7, timedelta(minutes=12))
            call = self._call(session.agent, started, longest)
            if call.connected_at is not None and call.ended_at is not None:
                session.calls_completed += 1
                session.talk_seconds += int((call.ended_at - call.connected_at).total_seconds())
            yield call

    def _call(self, agent: int, started: datetime, longest: timedelta) -> Call:
        draw = self.rng.random()
        outbound = self.rng.random() < 0.6
        direction = self.words.outbound if outbound else self.words.inbound
        if draw < 0.7:
            status = self.words.completed
            ended = floor_to_millisecond(started + longest * (0.2 + draw))
            connected = floor_to_millisecond(started + (ended - started) * 0.1)
        else:
            ended = floor_to_millisecond(started + longest * 0.05)
            connected = None
            status = self._unanswered_status(draw, outbound=outbound)
        return Call(self._keys.new(), agent, status, direction, started, connected, ended, outbound)

    def _unanswered_status(self, draw: float, *, outbound: bool) -> str:
        if not outbound:
            return self.words.missed
        return self.words.no_answer if draw < 0.9 else self.words.failed


# --- registration of defects -------------------------------------------------------------------

Row = TypeVar("Row", Session, Call)


@dataclass(frozen=True)
class HistoryDefect(Generic[Row]):
    """A defect of the history: the function that changes a sound row."""

    spoil: Callable[[History, Row], None]
    usual: float
    """How many in 20,000 sessions or 100,000 calls."""


SESSION_DEFECTS: dict[str, HistoryDefect[Session]] = {}
CALL_DEFECTS: dict[str, HistoryDefect[Call]] = {}

SpoilSession = Callable[[History, Session], None]
SpoilCall = Callable[[History, Call], None]


def of_sessions(*, usual: float) -> Callable[[SpoilSession], SpoilSession]:
    """Register a function that makes a closed session defective."""

    def register(spoil: SpoilSession) -> SpoilSession:
        SESSION_DEFECTS[spoil.__name__] = HistoryDefect(spoil, usual)
        return spoil

    return register


def of_calls(*, usual: float) -> Callable[[SpoilCall], SpoilCall]:
    """Register a function that makes an ended call defective."""

    def register(spoil: SpoilCall) -> SpoilCall:
        CALL_DEFECTS[spoil.__name__] = HistoryDefect(spoil, usual)
        return spoil

    return register


# --- defects of sessions ------------------------------------------------------------------------


@of_sessions(usual=24)
def forgotten(history: History, session: Session) -> None:
    """Never closed, and its agent has logged in again: open and silent for days."""
    session.agent = history.host()
    session.status = history.rng.choice([history.words.available, history.words.on_break])
    session.logout_at = None
    session.rules = ("abandoned_session", "duplicate_open_session")
    _close_at_last_activity(history, session)


@of_sessions(usual=12)
def forgotten_offline(history: History, session: Session) -> None:
    """Forgotten, and left `offline` by the beacon of the closing tab."""
    session.agent = history.host()
    session.status = history.words.offline
    session.logout_at = None
    session.rules = ("abandoned_session", "duplicate_open_session", "open_but_offline")
    _close_at_last_activity(history, session)


@of_sessions(usual=10)
def logged_out_before_login(history: History, session: Session) -> None:
    """The logout is earlier than the login: a clock was set back."""
    session.logout_at = session.login_at - history.minutes(2, 50)
    session.last_activity = session.logout_at
    session.rules = ("reversed_session_times",)


@of_sessions(usual=14)
def active_after_logout(history: History, session: Session) -> None:
    """The last activity is hours later than the logout: another tab stayed in use."""
    assert session.logout_at is not None
    session.logout_at -= history.minutes(30, 50)
    session.last_activity = session.logout_at + history.minutes(120, 400)
    session.rules = ("activity_after_logout",)


@of_sessions(usual=6)
def closed_but_available(history: History, session: Session) -> None:
    """Closed, and still `available`."""
    session.status = history.words.available
    session.rules = ("closed_but_working",)


@of_sessions(usual=4)
def closed_but_on_call(history: History, session: Session) -> None:
    """Closed, and still `on_call` with a reference."""
    session.status = history.words.on_call
    session.call = history.purged_call()
    session.rules = ("closed_but_working",)


@of_sessions(usual=5)
def closed_but_holding_a_call(history: History, session: Session) -> None:
    """Closed and `offline`, but still refers to a call."""
    session.call = history.purged_call()
    session.rules = ("closed_but_working",)


def _close_at_last_activity(history: History, session: Session) -> None:
    session.alive = False
    session.expected = "closed"
    session.expected_status = history.words.closed
    session.last_seen = session.last_activity
    if history.heartbeats:
        session.last_heartbeat = session.last_activity
        session.device_connected = session.status in history.words.working


# --- defects of calls ---------------------------------------------------------------------------


@of_calls(usual=15)
def never_ended(history: History, call: Call) -> None:
    """Connected, and never ended: a zombie call."""
    call.status = history.words.connected
    call.connected_at = call.connected_at or call.ended_at
    call.ended_at = None
    call.rules = ("zombie_call",)


@of_calls(usual=5)
def left_in_the_queue(history: History, call: Call) -> None:
    """Queued for days: a zombie call without an agent."""
    call.agent = None
    call.status = history.words.queued
    call.connected_at = None
    call.ended_at = None
    call.rules = ("zombie_call",)


@of_calls(usual=10)
def ended_in_a_live_status(history: History, call: Call) -> None:
    """Ended, with a status that still means ringing."""
    call.status = history.words.ringing
    call.rules = ("ended_call_still_live",)


@of_calls(usual=10)
def ended_before_it_started(history: History, call: Call) -> None:
    """The end is earlier than the start: the clocks of two servers differ."""
    call.connected_at = None
    call.ended_at = call.started_at - history.minutes(0.1, 5)
    call.status = history.words.failed
    call.rules = ("reversed_call_times",)


# --- helpers ------------------------------------------------------------------------------------


def spread(total: int, counts: Mapping[str, int]) -> Iterator[str | None]:
    """For each of `total` rows the defect to plant, or None: evenly, and in turns."""
    planted = sum(counts.values())
    kinds = in_turns(counts)
    for index in range(total):
        due = (index + 1) * planted // total > index * planted // total
        yield next(kinds) if due else None


def in_turns(counts: Mapping[str, int]) -> Iterator[str]:
    """Repeat each kind as often as its count, taking turns."""
    left = dict(counts)
    while left:
        for kind in [kind for kind, count in left.items() if count]:
            yield kind
            left[kind] -= 1
        left = {kind: count for kind, count in left.items() if count}


def endless(items: Sequence[int]) -> Iterator[int]:
    """Repeat the items without end; empty without items."""
    while items:
        yield from items


def floor_to_millisecond(moment: datetime) -> datetime:
    """Truncate an instant to the millisecond, the precision of `timestamp(3)`."""
    return moment.replace(microsecond=moment.microsecond // 1000 * 1000)
