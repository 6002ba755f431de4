"""Build the rows of the demo's cases: agents, instants, open sessions and their calls."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from rollcall.errors import ConfigurationError
from rollcall.sandbox.demo.rows import Call, Keys, Session, Words

HEARTBEAT_AGE_SECONDS = (1.0, 4.0)
INSIDE = (26, 100)
"""Minutes of silence inside the window."""
IDLE = (140, 900)
"""Minutes of silence past the window."""


class ScaleTooSmall(ConfigurationError):
    """The requested cases do not fit into the number of agents, sessions or calls."""


class CaseBuilder:
    """Hand out agents without a session, and build rows relative to `now` (aware, UTC)."""

    def __init__(
        self,
        now: datetime,
        words: Words,
        keys: Keys,
        rng: random.Random,
        agents: Sequence[int],
    ) -> None:
        self.now = now
        self.words = words
        self.rng = rng
        self.heartbeats = False
        """Present agents send heartbeats."""
        self.inactive: set[int] = set()
        """Numbers of the deactivated agents among those handed out."""
        self._keys = keys
        self._agents = agents
        self._used = 0
        self._unknown_agents = 0

    @property
    def off_duty(self) -> Sequence[int]:
        """The agents without a session so far."""
        return self._agents[self._used :]

    def agent(self, *, active: bool = True) -> int:
        """The number of an agent without a session so far. One agent always stays off duty."""
        if self._used + 1 >= len(self._agents):
            raise ScaleTooSmall(
                f"{len(self._agents)} agents are too few for the cases asked for",
                "ask for more agents or for fewer cases",
            )
        number = self._agents[self._used]
        self._used += 1
        if not active:
            self.inactive.add(number)
        return number

    def unknown_agent(self) -> int:
        """A number that no row of the agents table has."""
        self._unknown_agents += 1
        return len(self._agents) + self._unknown_agents

    def ago(self, least: float, most: float) -> datetime:
        """An instant between `least` and `most` minutes before now, to the millisecond."""
        minutes = least + (most - least) * self.rng.random()
        return self.now - timedelta(milliseconds=int(minutes * 60_000))

    def ahead(self, hours: float) -> datetime:
        """An instant in the future."""
        return self.now + timedelta(hours=hours)

    def purged_call(self) -> str:
        """The key of a call that the nightly purge has deleted."""
        return self._keys.new()

    def session(
        self,
        agent: int,
        status: str,
        seen: datetime,
        *,
        login: datetime | None = None,
        call: Call | str | None = None,
        calls: Iterable[Call] = (),
        rules: tuple[str, ...] = (),
        alive: bool = True,
        expected: str = "untouched",
        beats: bool = True,
        device: bool = True,
        capacity: int | None = 1,
    ) -> Session:
        """An open session whose own columns last show life at `seen`.

        `calls` are the calls that count as evidence for it. With heartbeats, a present agent sends
        them (unless `beats` is false), so the last activity is seconds old; for an absent agent the
        last heartbeat is at `seen`.
        """
        row = Session(
            key=self._keys.new(),
            agent=agent,
            status=status,
            login_at=login or self.before(seen, 20, 240),
            last_activity=seen,
            call=call.key if isinstance(call, Call) else call,
            calls_completed=self.rng.randrange(12),
            max_concurrent_calls=capacity,
            rules=rules,
            alive=alive,
            expected=expected,
            expected_status=status,
        )
        row.talk_seconds = row.calls_completed * 190
        if self.heartbeats:
            beating = alive and beats
            row.last_heartbeat = self._heartbeat() if beating else min(seen, self.now)
            row.last_activity = row.last_heartbeat if beating else seen
            row.device_connected = device
        if expected == "closed":
            row.expected_status = self.words.closed
            row.last_seen = last_sign_of_life(row, calls)
        elif expected == "status_reset":
            present = self.heartbeats and alive and beats
            row.expected_status = self.words.available if present else self.words.on_break
        return row

    def before(self, moment: datetime, least: float, most: float) -> datetime:
        """An instant between `least` and `most` minutes before another."""
        return moment - (self.now - self.ago(least, most))

    def live_call(self, agent: int | None, started: datetime, status: str, *, outbound: bool = False) -> Call:
        """A live call; with the status `connected`, connected some seconds after its start."""
        connected = status == self.words.connected
        return Call(
            key=self._keys.new(),
            agent=agent,
            status=status,
            direction=self.words.outbound if outbound else self.words.inbound,
            outbound=outbound,
            started_at=started,
            connected_at=started + timedelta(seconds=7) if connected else None,
        )

    def zombie_call(self, agent: int | None, started: datetime) -> Call:
        """A call without an end: still `connected`, but too old to be live."""
        call = self.live_call(agent, started, self.words.connected)
        call.rules = ("zombie_call",)
        return call

    def talk(self, agent: int | None, ended: datetime, *, minutes: float = 4, outbound: bool = False) -> Call:
        """A completed conversation."""
        started = ended - timedelta(minutes=minutes, seconds=9)
        return Call(
            key=self._keys.new(),
            agent=agent,
            status=self.words.completed,
            direction=self.words.outbound if outbound else self.words.inbound,
            outbound=outbound,
            started_at=started,
            connected_at=started + timedelta(seconds=9),
            ended_at=ended,
        )

    def unanswered(self, agent: int, started: datetime, *, outbound: bool = False) -> Call:
        """An unanswered call that ends after half a minute."""
        return Call(
            key=self._keys.new(),
            agent=agent,
            status=self.words.no_answer if outbound else self.words.missed,
            direction=self.words.outbound if outbound else self.words.inbound,
            outbound=outbound,
            started_at=started,
            ended_at=started + timedelta(seconds=30),
        )

    def shift(self, agent: int, login: datetime, seen: datetime) -> list[Call]:
        """Calls of an agent between two instants: one per direction, and a missed one."""
        span = seen - login
        return [
            self.talk(agent, login + span * 0.4, minutes=3),
            self.unanswered(agent, login + span * 0.5),
            self.talk(agent, login + span * 0.9, minutes=2, outbound=True),
        ]

    def _heartbeat(self) -> datetime:
        least, most = HEARTBEAT_AGE_SECONDS
        return self.ago(least / 60, most / 60)


def last_sign_of_life(session: Session, calls: Iterable[Call]) -> datetime:
    """The latest instant in a session's own columns and in the evidence of its calls."""
    signs = [session.last_activity, session.login_at, session.last_heartbeat]
    return max(sign for sign in (*signs, *(call.evidence() for call in calls)) if sign is not None)


Rows = Iterator[Session | Call]
BuildCase = Callable[[CaseBuilder], Rows]


@dataclass(frozen=True)
class CaseKind:
    """One kind of open session: the function that builds a case of it, and its properties."""

    name: str
    build: BuildCase
    usual: float
    """How many among 200 agents; 0: on request only."""
    agents: int
    """How many agents one case takes."""
    host: bool
    """Its agent is present and has no live call, so it can own forgotten older sessions as well."""
    fresh: bool
    """The session's own columns show life inside the window."""
    migrated_only: bool


def case(
    *,
    usual: float,
    agents: int = 1,
    host: bool = False,
    fresh: bool = True,
    migrated_only: bool = False,
) -> Callable[[BuildCase], CaseKind]:
    """Make a case kind of a function that yields the rows of one case. See `CaseKind`."""

    def make_kind(build: BuildCase) -> CaseKind:
        return CaseKind(build.__name__, build, usual, agents, host, fresh, migrated_only)

    return make_kind
