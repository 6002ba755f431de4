"""What a waiver is, and what can become of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

__all__ = ["ALL", "Waiver", "WaiverResult", "WaiverState", "state_of", "warnings_of"]

ALL = "all"


class WaiverState(StrEnum):
    """What has become of a waiver."""

    ACTIVE = "active"
    EXPIRED = "expired"
    UNMATCHED = "unmatched"


@dataclass(frozen=True)
class Waiver:
    """One line of the file. Either `key` or `condition` is set.

    Attributes:
        line: where it stands in the file.
        condition: ``all``, ``agent_id`` or ``began_before``; `value` is what it compares with.
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
        """What it waives, as it is written in the file."""
        if self.key is not None:
            return f"key {self.key}"
        return ALL if self.condition == ALL else f"{self.condition} = {self.value}"

    def has_expired(self, today: date) -> bool:
        return today > self.expires_on

    def to_row(self) -> dict[str, Any]:
        """For the database, as one row of JSON."""
        return {
            "line": self.line,
            "rule": self.rule,
            "key": self.key,
            "condition": self.condition,
            "value": self.value,
        }


@dataclass(frozen=True)
class WaiverResult:
    """A waiver and what it came to. matches: how many violations it concerns, exactly."""

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
        """What a person should know of it; none if it does what it is there for."""
        waiver = self.waiver
        what = f"the waiver of {waiver.rule} ({waiver.waives}, {waiver.owner})"
        if self.state is WaiverState.EXPIRED:
            again = f"{self.matches} violations fail again" if self.matches else "it would match nothing now"
            return f"{what} expired on {waiver.expires_on}: {again}"
        if self.state is WaiverState.UNMATCHED:
            return f"{what} matches nothing: remove line {waiver.line}, or correct it"
        return None


def state_of(waiver: Waiver, matches: int, today: date) -> WaiverState:
    """An expired waiver is expired, whatever it matches."""
    if waiver.has_expired(today):
        return WaiverState.EXPIRED
    return WaiverState.ACTIVE if matches else WaiverState.UNMATCHED


def warnings_of(results: Iterable[WaiverResult]) -> list[str]:
    """A sentence for each waiver that a person should look at."""
    return [result.warning for result in results if result.warning]
