"""The values of the alerts: what a run found, what was told, and what is news."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Self

from rollcall.settings.alerts import Kind, Level

__all__ = ["Change", "Finding", "News", "RuleCount", "State"]

INSTANTS = ("pending_since", "first_seen", "last_seen", "sent_at", "resolved_at", "claimed_until")


class Change(StrEnum):
    """Why a message is sent."""

    NEW = "new"
    WORSE = "worse"
    BETTER = "better"
    RESOLVED = "resolved"
    REMINDER = "still"

    @property
    def is_good(self) -> bool:
        return self in (Change.BETTER, Change.RESOLVED)


@dataclass(frozen=True)
class RuleCount:
    """The exact number of failures of one rule."""

    rule: str
    severity: str
    failing: int
    owner: str | None = None


@dataclass(frozen=True)
class Finding:
    """What a run found about one alert.

    Attributes:
        key: what it is about, like ``verdict`` or ``run clean``.
        value: distinguishes one case from the next; None: all is well.
        text: a sentence for a person, without a secret and without a row of the application.
        resolved: the sentence for the end of it.
        is_over: it has ended already: it is told once, and nothing is resolved later.
        run_id: the run that it concerns.
    """

    kind: Kind
    key: str
    value: str | None
    level: Level
    text: str = ""
    resolved: str = ""
    next_step: str = ""
    is_over: bool = False
    run_id: str | None = None
    counts: tuple[RuleCount, ...] = ()
    owner: str | None = None


@dataclass(frozen=True)
class News:
    """One item of a message."""

    kind: Kind
    key: str
    change: Change
    level: Level
    text: str
    next_step: str = ""
    before: str | None = None
    value: str | None = None
    run_id: str | None = None
    counts: tuple[RuleCount, ...] = ()
    owner: str | None = None

    @property
    def owners(self) -> frozenset[str]:
        """The owners that have to act on it."""
        return frozenset(owner for owner in (self.owner, *(c.owner for c in self.counts)) if owner)

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """The item of a stored message."""
        return cls(
            **{
                **document,
                "kind": Kind(document["kind"]),
                "change": Change(document["change"]),
                "level": Level(document["level"]),
                "counts": tuple(RuleCount(**count) for count in document["counts"]),
            }
        )


@dataclass(frozen=True)
class State:
    """The memory of one alert; a row of `rollcall_ops.alerts`, which names the fields."""

    key: str
    kind: Kind
    severity: Level
    first_seen: datetime
    last_seen: datetime
    value: str | None = None
    told: str | None = None
    pending: int = 0
    pending_value: str | None = None
    pending_since: datetime | None = None
    message: Mapping[str, Any] | None = field(default=None, repr=False)
    sent_at: datetime | None = None
    resolved_at: datetime | None = None
    undelivered: tuple[str, ...] = ()
    attempts: int = 0
    claimed_until: datetime | None = None

    @property
    def is_active(self) -> bool:
        """Whether the alert was told and is not over."""
        return self.told is not None

    def to_json(self) -> dict[str, Any]:
        document = asdict(self)
        for name in INSTANTS:
            document[name] = document[name].isoformat() if document[name] else None
        return document

    def to_public_json(self) -> dict[str, Any]:
        """The state for a person, without what only the policy needs."""
        document = self.to_json()
        names = ("key", "kind", "severity", "told", "last_seen", "sent_at", "resolved_at", "attempts")
        return {
            **{name: document[name] for name in names},
            "is_active": self.is_active,
            "since": document["first_seen"],
            "text": (self.message or {}).get("text", ""),
            "undelivered": list(self.undelivered),
        }

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Self:
        """A state from JSON, or from a row of the ledger, whose instants are instants already."""
        instants = {
            name: datetime.fromisoformat(value) if isinstance(value, str) else value
            for name, value in document.items()
            if name in INSTANTS
        }
        return cls(
            **{
                **document,
                **instants,
                "kind": Kind(document["kind"]),
                "severity": Level(document["severity"]),
                "undelivered": tuple(document["undelivered"]),
            }
        )
