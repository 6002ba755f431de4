"""The options of a simulation, and the thresholds of its judgement."""

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
    "breaker_slow_cluster_minutes",
    "breaker_cluster_minutes",
    "breaker_look_back_hours",
)
"""The vars in the application's time, which are scaled with it."""

LONGEST_HEARTBEAT_SECONDS = 120.0
HEARTBEATS_PER_WINDOW = 3


@dataclass(frozen=True)
class Options:
    """The options of one simulation.

    Attributes:
        seconds: duration of the traffic in real time; the verdict takes a little longer.
        speed: factor by which the application and its agents are faster than in reality.
        seed: the same seed gives the same decisions; only the database's timing differs.
        calls_per_hour: outbound calls of an agent in an hour of the application's time; inbound
            calls are two thirds as frequent.
        connections: the size of the application's pool; None: one for eight agents.
        create: create the application's tables, in a database that has none.
        migrate: run Rollcall's migration first.
        route_by_heartbeat: switch the flag of that name on after the migration, and route by the view.
        clean_every: seconds between two clean-ups in a separate process; None: no clean-up here.
        kill_every: seconds, on average, between two ``kill -9`` of that process; None: never.
        truth_file: write the ground truth to it as JSON lines while it is created.
    """

    agents: int = 50
    seconds: float = 30.0
    speed: float = 100.0
    seed: int = 1
    calls_per_hour: float = 7.0
    connections: int | None = None
    create: bool = False
    migrate: bool = False
    route_by_heartbeat: bool = False
    clean_every: float | None = None
    kill_every: float | None = None
    truth_file: Path | None = None

    def check(self) -> None:
        """Check the options.

        Raises:
            ConfigurationError: a number is out of range.
        """
        for name in ("agents", "seconds", "speed", "calls_per_hour", "clean_every", "kill_every"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigurationError(f"--{name.replace('_', '-')} must be above zero, not {value}")
        if self.route_by_heartbeat and not self.migrate:
            raise ConfigurationError("--route-by-heartbeat needs the migration's columns", "add --migrate")
        if self.kill_every is not None and self.clean_every is None:
            raise ConfigurationError(
                "--kill-every kills the clean-up beside, and there is none", "add --clean-every"
            )


@dataclass(frozen=True)
class Thresholds:
    """The thresholds in real seconds."""

    window: float
    live_call_max: float
    settle: float
    presence: float

    @classmethod
    def of(cls, variables: Mapping[str, Any]) -> Thresholds:
        """Derive the thresholds from the vars, as Rollcall reads them."""
        return cls(
            window=float(variables["abandoned_after_hours"]) * 3600,
            live_call_max=float(variables["live_call_max_hours"]) * 3600,
            settle=float(variables["settle_minutes"]) * 60,
            presence=float(variables["presence_minutes"]) * 60,
        )

    def check(self, speed: float, *, heartbeats: bool) -> None:
        """Check that a present agent can show life in time.

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
    """The overrides that scale the thresholds to the simulated time.

    A threshold that the user set is in the database's time already. A default one is divided by the speed,
    because the application's two hours pass that much faster.
    """
    scaled = {name: variables[name] / speed for name in SCALED if name not in overrides}
    return {**scaled, **overrides}
