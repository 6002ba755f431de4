"""The scale of the demo, and the number of planted cases and defects."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from rollcall.errors import ConfigurationError
from rollcall.sandbox.demo.case_builder import ScaleTooSmall
from rollcall.sandbox.demo.cases import CASES
from rollcall.sandbox.demo.history import CALL_DEFECTS, SESSION_DEFECTS
from rollcall.sandbox.demo.schema import Variant

FEWEST_AGENTS = 5
SMALLEST_HISTORY = 100
SOUND_CASES = ("waiting", "on_a_break", "talking", "idle_for_long")


@dataclass(frozen=True)
class Scale:
    """The size of the call centre."""

    agents: int = 200
    sessions: int = 20_000
    """Past and open sessions together."""
    calls: int = 100_000
    """Past and live calls together."""
    days: int = 90
    """Length of the history."""
    seed: int = 1

    def __post_init__(self) -> None:
        if self.agents < FEWEST_AGENTS or self.days < 1 or self.sessions < 1 or self.calls < 0:
            raise ScaleTooSmall(
                f"a call centre has at least {FEWEST_AGENTS} agents, one session and one day of "
                f"history, but {self.agents} agents, {self.sessions} sessions, {self.calls} calls "
                f"and {self.days} days were asked for",
                "ask for more",
            )


@dataclass(frozen=True)
class DefectCounts:
    """The number of cases and defects to plant, by kind.

    `counts` has the names of functions of `cases` (open sessions) and of `history` (closed ones and calls).
    """

    counts: Mapping[str, int] = field(default_factory=dict)
    no_active_agents: bool = False
    """No agent has the agent role."""

    def __post_init__(self) -> None:
        unknown = sorted(set(self.counts) - {*CASES, *SESSION_DEFECTS, *CALL_DEFECTS})
        if unknown:
            raise ConfigurationError(
                f"there is no case or defect to plant named {', '.join(unknown)}",
                "the names are those of the functions of `cases` and `history` in rollcall.sandbox.demo",
            )

    @classmethod
    def usual(cls, scale: Scale, variant: Variant | None = None) -> DefectCounts:
        """All kinds except the blocking ones, in proportion to the scale.

        A small call centre gets as many kinds as it has agents for, in their order.
        """
        return cls(_usual_cases(scale, variant or Variant()) | _usual_history(scale))

    @classmethod
    def sound(cls, scale: Scale, variant: Variant | None = None) -> DefectCounts:
        """Agents at work, without defects of open sessions or of the history."""
        usual = _usual_cases(scale, variant or Variant())
        return cls({kind: count for kind, count in usual.items() if kind in SOUND_CASES})

    @classmethod
    def silent(cls, scale: Scale, variant: Variant | None = None) -> DefectCounts:
        """A broken activity feed: calls are connected, but no session shows life by itself."""
        usual = _usual_cases(scale, variant or Variant())
        stale = {kind: count for kind, count in usual.items() if not CASES[kind].fresh}
        return cls(stale | {"alive_by_inbound_call": max(6, scale.agents // 10)})

    def plus(self, *, no_active_agents: bool | None = None, **counts: int) -> DefectCounts:
        """A copy with these numbers instead, by name of the case or defect."""
        no_agents = self.no_active_agents if no_active_agents is None else no_active_agents
        return DefectCounts({**self.counts, **counts}, no_agents)

    def of(self, kinds: Mapping[str, object]) -> dict[str, int]:
        """The counts above zero of some kinds."""
        return {kind: self.counts[kind] for kind in kinds if self.counts.get(kind)}


def _usual_cases(scale: Scale, variant: Variant) -> dict[str, int]:
    """Cases for nearly all agents; the remaining agents are off duty."""
    counts = {}
    left = min(scale.agents * 19 // 20, scale.agents - 1)
    for name, kind in CASES.items():
        if not kind.usual or (kind.migrated_only and not variant.migrated):
            continue
        wanted = max(1, round(kind.usual * scale.agents / Scale.agents))
        counts[name] = min(wanted, left // kind.agents)
        left -= counts[name] * kind.agents
    return counts


def _usual_history(scale: Scale) -> dict[str, int]:
    """Defects of the history in proportion to the sessions and calls."""
    counts = {}
    if scale.sessions >= SMALLEST_HISTORY:
        for name, session_defect in SESSION_DEFECTS.items():
            counts[name] = max(1, round(session_defect.usual * scale.sessions / Scale.sessions))
    if scale.calls >= SMALLEST_HISTORY:
        for name, call_defect in CALL_DEFECTS.items():
            counts[name] = max(1, round(call_defect.usual * scale.calls / Scale.calls))
    return counts
