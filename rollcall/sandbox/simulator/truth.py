"""The ground truth: presence of agents, their calls, and the application's writes.

Times are seconds since 1970 by the server's clock. An instant of the truth is an interval: a statement took
effect between `issued` and `acked`. The judge uses the end that favours the judged process.
"""

from __future__ import annotations

import json
from bisect import bisect_right
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from typing import Any, TextIO

from rollcall.sandbox.simulator.application import Write

__all__ = ["CallTruth", "Life", "SessionTruth", "Sign", "Truth"]

NEVER = float("inf")
LOG_IN, LOG_IN_AGAIN, LOG_OUT = "log in", "log in again", "log out"
MOVES_ALL = (LOG_IN, LOG_IN_AGAIN, LOG_OUT)
"""Events that decide which session of the agent is the newest open one, for which its calls count."""


@dataclass
class Life:
    """A present agent at a session, from the first known commit until the agent left."""

    session: str
    began: float
    left: float = NEVER
    how: str = ""


@dataclass(frozen=True)
class Sign:
    """A sign of life: what was written, when, and the evidence."""

    stamped: float
    issued: float
    acked: float
    by: str


@dataclass(frozen=True)
class Event:
    """A line of a session's events."""

    at: float
    what: str
    call: str | None = None
    xid: int | None = None


@dataclass
class CallTruth:
    """One call. `is_outbound`: its start alone proves that its agent was present."""

    key: str
    agent: str
    is_outbound: bool
    started: Sign
    connected: Sign | None = None
    ended: Sign | None = None
    end_issued: float = NEVER
    purge_issued: float = NEVER

    def evidence(self) -> Iterable[Sign]:
        """The evidence for its agent's presence; a missed call proves nothing."""
        if self.is_outbound:
            yield self.started
        if self.connected is not None:
            yield self.connected
            if self.ended is not None:
                yield self.ended

    def is_surely_live(self, since: float, until: float, longest: float) -> bool:
        """Whether the call was certainly live all the time from `since` to `until`."""
        return (
            self.started.acked <= since
            and self.end_issued > until
            and self.purge_issued > until
            and self.started.stamped + longest > until
        )

    def is_possibly_live(self, since: float, until: float, longest: float) -> bool:
        """Whether the call may have been live at some time from `since` to `until`."""
        ended = self.ended.acked if self.ended is not None else NEVER
        return self.started.issued <= until and ended >= since and self.started.stamped + longest >= since


@dataclass
class SessionTruth:
    """One session.

    Attributes:
        openings: when the application wrote an open row, and when that was known.
        closings: when it sent a write that left the row closed, and when that was known.
    """

    key: str
    agent: str
    login: float
    made: float
    signs: list[Sign] = field(default_factory=list)
    lives: list[Life] = field(default_factory=list)
    calls: list[str] = field(default_factory=list)
    openings: list[tuple[float, float]] = field(default_factory=list)
    closings: list[tuple[float, float]] = field(default_factory=list)
    touches: list[tuple[float, float]] = field(default_factory=list)
    history: list[Event] = field(default_factory=list)

    def life_at(self, moment: float) -> Life | None:
        """The agents that were certainly present at that instant."""
        return next((life for life in self.lives if life.began <= moment < life.left), None)

    def was_lived_in(self, since: float, until: float) -> bool:
        return any(life.began <= until and life.left >= since for life in self.lives)


class Log:
    """The known starts of transactions, which bound what a later transaction saw."""

    def __init__(self) -> None:
        self._pairs: list[tuple[int, float]] = []
        self._known: set[int] = set()
        self._sorted: tuple[list[int], list[float]] | None = None

    def add(self, xid: int, issued: float) -> None:
        self._pairs.append((xid, issued))
        self._known.add(xid & 0xFFFFFFFF)
        self._sorted = None

    def is_ours(self, xmin: int) -> bool:
        """Whether the application wrote a row version."""
        return xmin in self._known

    def before(self, xid: int) -> float:
        """The latest known instant before this transaction got its number."""
        if self._sorted is None:
            ordered = sorted((number & 0xFFFFFFFF, issued) for number, issued in self._pairs)
            latest = float("-inf")
            moments = []
            for _, issued in ordered:
                latest = max(latest, issued)
                moments.append(latest)
            self._sorted = [number for number, _ in ordered], moments
        numbers, moments = self._sorted
        place = bisect_right(numbers, xid - 1)
        return moments[place - 1] if place else float("-inf")


class Truth:
    """The ground truth, recorded by the agents, calls and router as they act.

    Args:
        now: the clock.
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._stream: TextIO | None = None
        self.sessions: dict[str, SessionTruth] = {}
        self.calls: dict[str, CallTruth] = {}
        self.agents: dict[str, list[str]] = {}
        self.calls_of: dict[str, list[str]] = {}
        self.log = Log()
        self.lost: set[str] = set()
        """Agents with a write that may be committed in an unknown transaction."""
        self.departures: dict[str, int] = {}
        self.ghost_rings = 0

    def write_to(self, stream: TextIO) -> None:
        """Write every later event to this stream as a line of JSON."""
        self._stream = stream

    # --- presence --------------------------------------------------------------------------------

    def opened(self, agent: str, write: Write) -> str | None:
        """Record a login that made a session, or opened the agent's row for ever; returns its key."""
        row = write.row
        if row is None:
            return None
        if row.key in self.sessions:
            self.wrote(agent, write, LOG_IN_AGAIN, is_sign=True)
            return row.key
        self.sessions[row.key] = SessionTruth(row.key, agent, login=row.stamped, made=write.issued)
        self.agents.setdefault(agent, []).append(row.key)
        self.wrote(agent, write, LOG_IN, is_sign=True)
        return row.key

    def reopened(self, session: str, write: Write) -> None:
        if write.row is not None:
            self.wrote(self.sessions[session].agent, write, LOG_IN_AGAIN, is_sign=True)

    def arrived(self, session: str, moment: float) -> None:
        """Record that the agent is present and the database shows it."""
        held = self.sessions[session]
        if held.life_at(moment) is None:
            held.lives.append(Life(session, moment))
            self._note("arrived", agent=held.agent, session=session, at=moment)

    def left(self, session: str | None, how: str) -> None:
        """Record that the agent is absent from now on, whatever the database shows."""
        moment = self._now()
        for life in self.sessions[session].lives if session in self.sessions else ():
            if life.left == NEVER:
                life.left, life.how = moment, how
                self.sessions[life.session].history.append(Event(moment, f"({how})"))
                self._note("left", agent=self.sessions[life.session].agent, session=session, how=how)
        self.departures[how] = self.departures.get(how, 0) + 1

    def logged_out(self, session: str, write: Write) -> None:
        self.wrote(self.sessions[session].agent, write, LOG_OUT, is_sign=False)

    # --- writes ----------------------------------------------------------------------------------

    def wrote(self, agent: str, write: Write, what: str, *, is_sign: bool, call: str | None = None) -> None:
        """Record written sessions. is_sign: a sign of life of the agent."""
        if write.retried:
            self.lost.add(agent)
        for row in write.rows:
            self.log.add(row.xid, write.issued)
        for key in self.agents[agent] if what in MOVES_ALL else ():
            self.sessions[key].touches.append((write.issued, write.acked))
        for row in write.rows:
            session = self.sessions.get(row.key)
            if session is None:
                continue
            if is_sign:
                session.signs.append(Sign(row.stamped, write.issued, write.acked, what))
            if what != "heartbeat":
                session.touches.append((write.issued, write.acked))
                if row.is_open:
                    session.openings.append((row.done, write.acked))
                else:
                    session.closings.append((write.issued, write.acked))
            session.history.append(Event(row.done, what, call, row.xid))
            self._note(
                "wrote", what=what, agent=agent, session=row.key, call=call, xid=row.xid, at=row.stamped
            )

    def call_started(self, agent: str, write: Write, *, is_outbound: bool) -> str | None:
        row = write.row
        if write.retried:
            self.lost.add(agent)
        if row is None:
            return None
        sign = _sign(write, "dial" if is_outbound else "ring")
        self.calls[row.key] = CallTruth(row.key, agent, is_outbound, sign)
        self.calls_of.setdefault(agent, []).append(row.key)
        self.log.add(row.xid, write.issued)
        self._note_call(row.key, "dials" if is_outbound else "is rung", write)
        return row.key

    def refers(self, session: str, call: str, write: Write) -> None:
        held = self.sessions[session]
        held.calls.append(call)
        self.wrote(held.agent, write, "on call", is_sign=False, call=call)

    def call_connected(self, call: str, write: Write) -> None:
        row = write.row
        if row is not None:
            self.calls[call].connected = _sign(write, "connected")
            self.log.add(row.xid, write.issued)
            self._note_call(call, "call connected", write)

    def call_ending(self, call: str) -> None:
        """Record the end of a call before it is sent."""
        self.calls[call].end_issued = self._now()

    def call_ended(self, call: str, write: Write) -> None:
        row = write.row
        if row is not None:
            self.calls[call].ended = _sign(write, "call ended")
            self.log.add(row.xid, write.issued)
            self._note_call(call, "call ended", write)

    def purging(self, older_than: float) -> None:
        """Record a purge before it is sent: it may delete every call that ended so long ago."""
        moment = self._now()
        for call in self.calls.values():
            if call.ended is not None and call.ended.stamped < moment - older_than + 1:
                call.purge_issued = min(call.purge_issued, moment)

    def purged(self, write: Write, agents: Iterable[str]) -> None:
        for row in write.rows:
            self.log.add(row.xid, write.issued)
        for agent in set(agents):
            for session in self.agents.get(agent, ()):
                self.sessions[session].touches.append((write.issued, write.acked))
                self.sessions[session].history.append(Event(write.acked, "old calls purged"))

    def found(self, **facts: Any) -> None:
        """Record a line about a finding, for the readers of the stream."""
        self._note("found", **facts)

    def _note_call(self, call: str, what: str, write: Write) -> None:
        row = write.row
        assert row is not None
        agent = self.calls[call].agent
        for key in self.agents.get(agent, ()):
            self.sessions[key].touches.append((write.issued, write.acked))
            self.sessions[key].history.append(Event(row.done, what, call, row.xid))
        self._note("call", what=what, agent=agent, call=call, xid=row.xid, at=row.stamped)

    def _note(self, event: str, **facts: Any) -> None:
        if self._stream is not None:
            self._stream.write(json.dumps({"noted": self._now(), "event": event, **facts}) + "\n")


def _sign(write: Write, by: str) -> Sign:
    assert write.row is not None
    return Sign(write.row.stamped, write.issued, write.acked, by)


def as_json(event: Event) -> dict[str, Any]:
    """One event as a line of JSON."""
    return asdict(event)
