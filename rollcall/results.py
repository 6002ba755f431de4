"""What the steps hand to each other and to the reports: plain values, no behaviour beyond JSON."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Severity(StrEnum):
    """How bad a violated rule is (application.md's catalogue)."""

    BLOCKING = "blocking"
    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"


class Check(StrEnum):
    """The five checks, in the order in which they are shown."""

    SCHEMA_READY = "schema_ready"
    SESSIONS_CLEAN = "sessions_clean"
    CALL_REFS_CLEAN = "call_refs_clean"
    AGENTS_AVAILABLE = "agents_available"
    DATA_TRUSTWORTHY = "data_trustworthy"


class Verdict(StrEnum):
    """The one answer; `rollcall.verdict` says how it follows from the checks."""

    READY = "READY"
    NEEDS_SESSION_CLEANUP = "NEEDS_SESSION_CLEANUP"
    NEEDS_DATABASE_MIGRATION = "NEEDS_DATABASE_MIGRATION"
    NOT_READY = "NOT_READY"


@dataclass(frozen=True)
class RuleResult:
    """One rule judged: an exact count, and whether the suite tolerates it."""

    name: str
    suite: str
    check: Check
    severity: Severity
    violations: int
    tolerance: int
    passed: bool
    reason: str
    remedy: str
    sample_keys: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "suite": self.suite,
            "check": self.check.value,
            "severity": self.severity.value,
            "violations": self.violations,
            "tolerance": self.tolerance,
            "passed": self.passed,
            "reason": self.reason,
            "remedy": self.remedy,
            "sample_keys": list(self.sample_keys),
        }


@dataclass(frozen=True)
class Assessment:
    """A database judged on one snapshot. Instants are aware datetimes, in UTC.

    Attributes:
        facts: counts beside the rules: open_sessions, working_sessions, active_agents.
        judgements: one `rollcall.expectations.Judgement` per suite, for the data docs.
    """

    verdict: Verdict
    checks: dict[Check, str]
    rules: tuple[RuleResult, ...]
    pending_statements: int
    pending_changes: int
    judged_at: datetime
    cutoff: datetime
    snapshot_at: datetime
    server_version: str
    database: str
    warnings: tuple[str, ...] = ()
    facts: dict[str, int] = field(default_factory=dict)
    judgements: tuple[Any, ...] = field(default=(), repr=False, compare=False)

    def to_json(self) -> dict[str, Any]:
        return {
            "verdict": self.verdict.value,
            "checks": {check.value: value for check, value in self.checks.items()},
            "rules": [rule.to_json() for rule in self.rules],
            "pending_statements": self.pending_statements,
            "pending_changes": self.pending_changes,
            "judged_at": self.judged_at.isoformat(),
            "cutoff": self.cutoff.isoformat(),
            "snapshot_at": self.snapshot_at.isoformat(),
            "server_version": self.server_version,
            "database": self.database,
            "warnings": list(self.warnings),
            "facts": self.facts,
        }
