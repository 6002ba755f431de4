"""Measure two variants in turns, so that a busy machine affects both."""

from __future__ import annotations

import resource
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

__all__ = [
    "Goal",
    "Line",
    "Taken",
    "at_least",
    "at_most",
    "in_pairs",
    "ratio_line",
    "seconds_of",
    "shown_only",
    "taken_by",
]


@dataclass(frozen=True)
class Goal:
    """The bound of a line's figure; `text` is its form in the design."""

    text: str
    is_met: Callable[[float], bool]


@dataclass(frozen=True)
class Line:
    """One line of the table. `figure`: the value that the goal judges."""

    what: str
    ours: str
    other: str
    figure: float
    figure_text: str
    goal: Goal | None = None

    @property
    def verdict(self) -> str:
        if self.goal is None:
            return ""
        return "met" if self.goal.is_met(self.figure) else "MISSED"


def at_most(bound: float, unit: str = "x") -> Goal:
    return Goal(f"<= {bound:g}{unit}", lambda figure: figure <= bound)


def at_least(bound: float, unit: str = "x") -> Goal:
    return Goal(f">= {bound:g}{unit}", lambda figure: figure >= bound)


def seconds_of(action: Callable[[], object]) -> float:
    """The wall time of one call."""
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


@dataclass(frozen=True)
class Taken:
    """The seconds of commands: wall time, and the time of their processes on the processor."""

    wall: float
    cpu: float


def taken_by(commands: Callable[[], object]) -> Taken:
    """Measure an action that starts processes and waits for them."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall = seconds_of(commands)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return Taken(wall, after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime)


def in_pairs(
    pairs: int, ours: Callable[[], float], other: Callable[[], float]
) -> tuple[list[float], list[float]]:
    """Measure A B A B …; returns the results pair by pair."""
    taken = [(ours(), other()) for _ in range(pairs)]
    return [pair[0] for pair in taken], [pair[1] for pair in taken]


def ratio_line(
    what: str,
    ours: Sequence[float],
    other: Sequence[float],
    goal: Goal | None,
    show: Callable[[float], str],
) -> Line:
    """The median of the ratios of the pairs, with the lowest and the highest."""
    ratios = [one / another for one, another in zip(ours, other, strict=True)]
    middle = statistics.median(ratios)
    spread = f"{middle:.2f}x" if len(ratios) == 1 else f"{middle:.2f}x ({min(ratios):.2f}-{max(ratios):.2f})"
    return Line(what, show(statistics.median(ours)), show(statistics.median(other)), middle, spread, goal)


def shown_only(what: str, figure: float, text: str, goal: Goal | None = None) -> Line:
    """A line whose figure is compared with its goal only."""
    return Line(what, text, "", figure, "", goal)


def seconds(value: float) -> str:
    """Format seconds, such as 1.23 s, or 45.6 ms below a second."""
    return f"{value:.2f} s" if value >= 1 else f"{value * 1000:.1f} ms"


def per_second(value: float) -> str:
    return f"{value:,.0f}/s"
