"""Doctor's findings on one database, the most severe first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rollcall.rules.results import Severity
from rollcall.steps.doctor.kinds import KINDS, Kind

__all__ = ["Diagnosis", "Finding"]


@dataclass(frozen=True)
class Finding:
    """A finding on one database.

    Attributes:
        found: one line per occurrence.
        statements: the remedy as statements to copy; empty where a decision is needed first.
    """

    name: str
    found: tuple[str, ...]
    statements: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        return KINDS[self.name]

    @property
    def is_blocking(self) -> bool:
        return self.kind.severity is Severity.BLOCKING

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "severity": self.kind.severity.value,
            "found": list(self.found),
            "consequence": self.kind.consequence,
            "remedy": self.kind.remedy,
            "statements": list(self.statements),
        }


@dataclass(frozen=True)
class Diagnosis:
    """All findings on one database, the most severe first."""

    database: str
    server_version: str
    findings: tuple[Finding, ...]

    @property
    def is_blocked(self) -> bool:
        """Whether a finding prevents a run."""
        return any(finding.is_blocking for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        return {
            "database": self.database,
            "server_version": self.server_version,
            "blocked": self.is_blocked,
            "findings": [finding.to_json() for finding in self.findings],
        }
