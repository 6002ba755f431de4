"""What a simulation is asked to do, and the thresholds that its judgement goes by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollcall.errors import ConfigurationError

__all__ = ["LONGEST_HEARTBEAT_SECONDS", "SCALED", "Options", "Thresholds", "scaled_variables"]

SCALED = (
    "abandoned_after_hours",
    "live_call_max_hours",
    "settle_minutes",
    "presence_minutes",
    "heartbeat_explains_seconds",
    "regret_hours",
    "ringing_wait_seconds",
)
"""The vars that measure the application's time, so that they shrink with it."""

LONGEST_HEARTBEAT_SECONDS = 120.0
HEARTBEATS_PER_WINDOW = 3


@dataclass(frozen=True)
class Options:
    """One simulation.

    Attributes:
        seconds: how long new things happen, in real time; the verdict takes a little longer.
        speed: how many times faster than in reality the application and its people act.
        seed: the same seed makes everybody decide the same; only the database's timing differs.
        calls_per_hour: outbound calls of an agent in an hour of the application's time; inbound
            ones come two thirds as often.
        connections: how many the application has; None: one for eight agents.
        create: make the application's tables, in a database that has none.
        migrate: run Rollcall's migration first.
        clean_every: seconds between two clean-ups in a process beside; None: no clean-up here.
        kill_every: seconds, on average, between two ``kill -9`` of that process; None: never.
        truth_file: write the ground truth as it happens, as JSON lines.
    """

    agents: int = 50
    seconds: float = 30.0
    speed: float = 100.0
    seed: int = 1
    calls_per_hour: float = 7.0
    connections: int | None = None
    create: bool = False
    migrate: bool = False
    clean_every: float | None = None
    kill_every: float | None = None
    truth_file: Path | None = None

    def check(self) -> None:
        """Raises: ConfigurationError: a number that cannot work."""
        for name in ("agents", "seconds", "speed", "calls_per_hour", "clean_every", "kill_every"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigurationError(f"--{name.replace('_', '-')} must be above zero, not {value}")
        if self.kill_every is not None and self.clean_every is None:
            raise ConfigurationError(
                "--kill-every kills the clean-up beside, and there is none", "add --clean-every"
            )


@dataclass(frozen=True)
class Thresholds:
    """In real seconds."""

    window: float
    live_call_max: float
    settle: float
    presence: float

    @classmethod
    def of(cls, variables: Mapping[str, Any]) -> Thresholds:
        """From the vars, as Rollcall reads them."""
        return cls(
            window=float(variables["abandoned_after_hours"]) * 3600,
            live_call_max=float(variables["live_call_max_hours"]) * 3600,
            settle=float(variables["settle_minutes"]) * 60,
            presence=float(variables["presence_minutes"]) * 60,
        )

    def check(self, speed: float, *, heartbeats: bool) -> None:
        """A living agent has to be able to show life in time.

        Raises:
            ConfigurationError: the window is too short for this speed.
        """
        needed = LONGEST_HEARTBEAT_SECONDS / speed * HEARTBEATS_PER_WINDOW if heartbeats else 1.0
        if self.window < needed:
            raise ConfigurationError(
                f"abandoned_after_hours is {self.window:.3g} seconds, too short for agents who show life "
                f"every {needed / HEARTBEATS_PER_WINDOW:.3g} seconds",
                f"take {needed / 3600:.2g} or more, or a higher --speed",
            )


def scaled_variables(
    variables: Mapping[str, Any], overrides: Mapping[str, Any], speed: float
) -> dict[str, Any]:
    """What to override so that the thresholds fit the simulated time.

    A threshold that the user set is in the database's time already; a default one is divided by
    the speed, because the application's two hours pass that much faster.
    """
    scaled = {name: variables[name] / speed for name in SCALED if name not in overrides}
    return {**scaled, **overrides}
