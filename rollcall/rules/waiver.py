"""Waivers, which accept violations of a rule, and their results."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

__all__ = ["ALL", "Waiver", "WaiverResult", "WaiverState", "state_of", "warnings_of"]

ALL = "all"


class WaiverState(StrEnum):
    """The state of a waiver."""

    ACTIVE = "active"
    EXPIRED = "expired"
    UNMATCHED = "unmatched"


@dataclass(frozen=True)
class Waiver:
    """A line of the file. Either `key` or `condition` is set.

    Attributes:
        line: its number in the file.
        condition: ``all``, ``agent_id`` or ``began_before``; `value` is the operand.
        expires_on: the last day (UTC) on which it holds.
    """

    line: int
    rule: str
    key: str | None
    condition: str | None
    value: str | None
    reason: str
    owner: str
    expires_on: date

    @property
    def waives(self) -> str:
        """The waived key or condition, in the form of the file."""
        if self.key is not None:
            return f"key {self.key}"
        return ALL if self.condition == ALL else f"{self.condition} = {self.value}"

    def has_expired(self, today: date) -> bool:
        return today > self.expires_on

    def to_row(self) -> dict[str, Any]:
        """A row for the database, as JSON."""
        return {
            "line": self.line,
            "rule": self.rule,
            "key": self.key,
            "condition": self.condition,
            "value": self.value,
        }


@dataclass(frozen=True)
class WaiverResult:
    """A waiver with its state. matches: its exact number of violations."""

    waiver: Waiver
    state: WaiverState
    matches: int

    def to_json(self) -> dict[str, Any]:
        return {
            "rule": self.waiver.rule,
            "waives": self.waiver.waives,
            "reason": self.waiver.reason,
            "owner": self.waiver.owner,
            "expires_on": self.waiver.expires_on.isoformat(),
            "state": self.state.value,
            "matches": self.matches,
        }

    @property
    def warning(self) -> str | None:
        """The warning about an expired or unmatched waiver; none for an active one."""
        waiver = self.waiver
        what = f"the waiver of {waiver.rule} ({waiver.waives}, {waiver.owner})"
        if self.state is WaiverState.EXPIRED:
            again = f"{self.matches} violations fail again" if self.matches else "it would match nothing now"
            return f"{what} expired on {waiver.expires_on}: {again}"
        if self.state is WaiverState.UNMATCHED:
            return f"{what} matches nothing: remove line {waiver.line}, or correct it"
        return None


def state_of(waiver: Waiver, matches: int, today: date) -> WaiverState:
    """The state of a waiver; expiry comes before the number of matches."""
    if waiver.has_expired(today):
        return WaiverState.EXPIRED
    return WaiverState.ACTIVE if matches else WaiverState.UNMATCHED


def warnings_of(results: Iterable[WaiverResult]) -> list[str]:
    """The warnings about expired and unmatched waivers."""
    return [result.warning for result in results if result.warning]
