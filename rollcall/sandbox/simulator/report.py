"""The results of a simulation, as plain values."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from rollcall.sandbox.simulator.gateway import Failure, Timings, quantile
from rollcall.sandbox.simulator.judge import Finding, Judgement

__all__ = ["CleanUps", "Report"]

FAILURES_KEPT = 20


@dataclass(frozen=True)
class CleanUps:
    """The clean-ups beside the traffic; `recorded`: those of all processes in the ledger."""

    recorded: int = 0
    passes: int = 0
    kills: int = 0
    errors: dict[str, int] = field(default_factory=dict)
    skipped: dict[str, int] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        return {
            "recorded": self.recorded,
            "passes": self.passes,
            "kills": self.kills,
            "errors": self.errors,
            "skipped": self.skipped,
        }


@dataclass(frozen=True)
class Report:
    """The outcome of a simulation.

    Attributes:
        seconds: of traffic, in real time.
        floor: counts of events: sessions, calls, departures and so on.
        timings: by kind of statement.
        failures: failed statements of the application.
        interruptions: statements sent again after a lost connection.
    """

    agents: int
    seconds: float
    speed: float
    seed: int
    heartbeats: bool
    floor: dict[str, int]
    timings: dict[str, Timings]
    failures: list[Failure]
    interruptions: int
    clean_ups: CleanUps
    judgement: Judgement

    @property
    def wronged(self) -> list[Finding]:
        """Sessions that were changed although no rule allows it."""
        return self.judgement.wronged

    @property
    def left_open(self) -> list[Finding]:
        """Sessions that should have been closed and were not."""
        return self.judgement.left_open

    @property
    def misrouted(self) -> list[Finding]:
        """Sessions that were routable although abandoned, or not although present and available."""
        return self.judgement.misrouted

    @property
    def holds(self) -> bool:
        return not self.wronged and not self.left_open and not self.misrouted

    @property
    def statements(self) -> int:
        return sum(len(timings.seconds) for timings in self.timings.values())

    def to_json(self) -> dict[str, Any]:
        judgement = self.judgement
        return {
            "holds": self.holds,
            "agents": self.agents,
            "seconds": self.seconds,
            "speed": self.speed,
            "seed": self.seed,
            "heartbeats": self.heartbeats,
            "floor": self.floor,
            "statements": self.statements,
            "statements_per_second": round(self.statements / self.seconds, 1) if self.seconds else 0.0,
            "latency_ms": {
                kind: {
                    "count": len(timings.seconds),
                    "p50": _milliseconds(timings.quantile(0.5)),
                    "p99": _milliseconds(timings.quantile(0.99)),
                    "max": _milliseconds(timings.quantile(1.0)),
                }
                for kind, timings in sorted(self.timings.items())
            },
            "errors": len(self.failures),
            "first_errors": [
                {
                    "kind": failure.kind,
                    "at": failure.at,
                    "sqlstate": failure.sqlstate,
                    "message": failure.message,
                }
                for failure in self.failures[:FAILURES_KEPT]
            ],
            "interruptions": self.interruptions,
            "clean_ups": self.clean_ups.to_json(),
            "closed_dead": judgement.closed_dead,
            "mended": judgement.mended,
            "closed_after_due_seconds": {
                "p50": round(quantile(judgement.delays, 0.5), 3),
                "max": round(quantile(judgement.delays, 1.0), 3),
            },
            "of_these_without_a_live_call": {
                "p50": round(quantile(judgement.exposures, 0.5), 3),
                "max": round(quantile(judgement.exposures, 1.0), 3),
            },
            "overtaken": judgement.overtaken,
            "not_yet_due": judgement.not_yet_due,
            "changed_wrongly": [finding.to_json() for finding in self.wronged],
            "left_open": [finding.to_json() for finding in self.left_open],
            "routable": judgement.routable,
            "routed_wrongly": [finding.to_json() for finding in self.misrouted],
            "unproven": [finding.to_json() for finding in judgement.unproven],
        }


def _milliseconds(seconds: float) -> float:
    return round(seconds * 1000, 2)
