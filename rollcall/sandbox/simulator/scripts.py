"""All decisions of the simulation, from the seed alone, without database or clock.

Every agent has its own random streams, so that one agent's actions never shift the decisions of another.
Durations of the application are in its own seconds, divided by the speed; absences are measured in windows,
because a return just before the end of the window is the hardest case.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from enum import StrEnum
from typing import TypeVar

from rollcall.sandbox.simulator.options import LONGEST_HEARTBEAT_SECONDS

T = TypeVar("T")

__all__ = ["Act", "Arrival", "Decisions", "Outcome", "Pace", "Step"]


class Act(StrEnum):
    """The next action of an agent."""

    LOG_IN = "log in"
    REUSE = "log in, reuse today's session"
    DIAL = "dial"
    CHANGE_STATUS = "change status"
    TAKE_BREAK = "take a break"
    HIDE = "hide the tab"
    SHOW = "show the tab"
    RELOAD = "reload"
    CLOSE_TAB = "close the tab"
    CRASH = "crash"
    LOG_OUT = "log out"


class Outcome(StrEnum):
    """The outcome of a call."""

    CONNECTED = "connected"
    NOT_CONNECTED = "not connected"
    OVERTAKEN = "over before the session refers to it"
    NEVER_ENDED = "connected, and its end is never heard of"


@dataclass(frozen=True)
class Pace:
    """The speed of events.

    Attributes:
        speed: the application's seconds per real second.
        window: real seconds until a session counts as abandoned.
        longest_call: real seconds; a call in the truth ends before Rollcall takes it for a zombie.
    """

    speed: float
    window: float
    longest_call: float
    calls_per_hour: float

    def real(self, seconds: float) -> float:
        """Convert the application's seconds to real seconds."""
        return seconds / self.speed


@dataclass(frozen=True)
class Step:
    """One decision. All times are real seconds.

    Attributes:
        gap: time since the previous step.
        ring, talk: of a call; `talk` is also the duration of a reload.
        comes_back: whether the page logs in again by itself after a reload.
    """

    act: Act
    gap: float
    outcome: Outcome = Outcome.CONNECTED
    ring: float = 0.0
    talk: float = 0.0
    comes_back: bool = True


@dataclass(frozen=True)
class Arrival:
    """An inbound call. `answered`: by a present agent, after `ring` of at most `patience`."""

    gap: float
    outcome: Outcome
    answered: bool
    ring: float
    patience: float
    talk: float


@dataclass
class Decisions:
    """The decisions of one seed."""

    seed: int
    pace: Pace
    _outbound: dict[Outcome, float] = field(
        default_factory=lambda: {
            Outcome.CONNECTED: 0.66,
            Outcome.NOT_CONNECTED: 0.29,
            Outcome.OVERTAKEN: 0.04,
            Outcome.NEVER_ENDED: 0.01,
        }
    )

    def agent(self, number: int) -> Iterator[Step]:
        """Yield an agent's steps, without end. An absent agent begins again with a login."""
        rng = self._stream(f"agent/{number}")
        yield Step(Act.LOG_IN, rng.uniform(0, 0.4) * self.pace.window)
        while True:
            yield from self._presence(rng)
            yield self._return(rng)

    def heartbeats(self, number: int) -> Iterator[float]:
        """Yield real seconds from one heartbeat to the next, without end."""
        rng = self._stream(f"heartbeats/{number}")
        while True:
            yield self.pace.real(rng.uniform(30, LONGEST_HEARTBEAT_SECONDS))

    def inbound(self, agents: int) -> Iterator[Arrival]:
        """Yield the inbound calls of the call centre, without end."""
        rng = self._stream("inbound")
        per_second = agents * self.pace.calls_per_hour * 2 / 3 / 3600 * self.pace.speed
        while True:
            patience = self.pace.real(rng.uniform(15, 30))
            yield Arrival(
                gap=rng.expovariate(per_second),
                outcome=Outcome.NEVER_ENDED if rng.random() < 0.01 else Outcome.CONNECTED,
                answered=rng.random() < 0.9,
                ring=patience * rng.uniform(0.1, 0.9),
                patience=patience,
                talk=self._talk(rng),
            )

    def kills(self, every: float) -> Iterator[float]:
        """Yield real seconds from one kill of the clean-up to the next, without end."""
        rng = self._stream("kills")
        while True:
            yield rng.uniform(0.2, 1.8) * every

    def _presence(self, rng: random.Random) -> Iterator[Step]:
        """The steps from a login to a departure."""
        stays = rng.expovariate(1 / (4 * self.pace.window)) + 0.2 * self.pace.window
        hourly = {
            Act.DIAL: self.pace.calls_per_hour,
            Act.CHANGE_STATUS: 1.2,
            Act.TAKE_BREAK: 0.6,
            Act.HIDE: 5.0,
            Act.RELOAD: 0.8,
        }
        mean_gap = self.pace.real(3600 / sum(hourly.values()))
        passed = 0.0
        while passed < stays:
            act = _one_of(rng, hourly)
            gap = rng.expovariate(1 / mean_gap)
            passed += gap
            yield self._step(rng, act, gap)
            if act in (Act.HIDE, Act.TAKE_BREAK):
                away = self.pace.real(rng.uniform(20, 240))
                passed += away
                yield Step(Act.SHOW, away)
        departures = {Act.CRASH: 3.0, Act.CLOSE_TAB: 4.0, Act.LOG_OUT: 2.0}
        if rng.random() < 0.3:  # during a call
            yield Step(Act.DIAL, 0.0, Outcome.CONNECTED, self.pace.real(15), self._talk(rng))
            yield Step(_one_of(rng, departures), self.pace.real(rng.uniform(5, 60)))
        else:
            yield Step(_one_of(rng, departures), rng.expovariate(1 / mean_gap))

    def _step(self, rng: random.Random, act: Act, gap: float) -> Step:
        if act is Act.DIAL:
            outcome = _one_of(rng, self._outbound)
            return Step(act, gap, outcome, self.pace.real(rng.uniform(4, 25)), self._talk(rng))
        if act is Act.RELOAD:
            loading = self.pace.real(rng.uniform(1, 6))
            return Step(act, gap, talk=loading, comes_back=rng.random() < 0.7)
        return Step(act, gap)

    def _return(self, rng: random.Random) -> Step:
        """The absence: short, just until the window closes, or long."""
        kind = rng.random()
        if kind < 0.3:
            windows = rng.uniform(0.02, 0.8)
        elif kind < 0.75:
            windows = rng.gauss(1.1, 0.15)
        else:
            windows = rng.uniform(1.5, 4)
        act = Act.REUSE if rng.random() < 0.65 else Act.LOG_IN
        return Step(act, max(0.0, windows) * self.pace.window)

    def _talk(self, rng: random.Random) -> float:
        return min(self.pace.real(20 + rng.expovariate(1 / 160)), self.pace.longest_call)

    def _stream(self, name: str) -> random.Random:
        return random.Random(f"{self.seed}/{name}")


def _one_of(rng: random.Random, weights: dict[T, float]) -> T:
    return rng.choices(list(weights), list(weights.values()))[0]
