"""What the steps hand to each other and to the reports: plain values, no behaviour beyond JSON."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from rollcall.rules.waiver import WaiverResult

if TYPE_CHECKING:
    from rollcall.schema.declared import Statement

TREND_KEYS = 20  # of what was resolved, where nothing fails any more


class Severity(StrEnum):
    """How bad a violated rule is; docs/domain.md says what each leads to."""

    BLOCKING = "blocking"
    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """Position for sorting: 0 is the worst."""
        return list(Severity).index(self)


class Check(StrEnum):
    """The five checks, in the order in which they are shown."""

    SCHEMA_READY = "schema_ready"
    SESSIONS_CLEAN = "sessions_clean"
    CALL_REFS_CLEAN = "call_refs_clean"
    AGENTS_AVAILABLE = "agents_available"
    DATA_TRUSTWORTHY = "data_trustworthy"


class Verdict(StrEnum):
    """The one answer; `rollcall.rules.verdict` says how it follows from the checks."""

    READY = "READY"
    NEEDS_SESSION_CLEANUP = "NEEDS_SESSION_CLEANUP"
    NEEDS_DATABASE_MIGRATION = "NEEDS_DATABASE_MIGRATION"
    NOT_READY = "NOT_READY"


@dataclass(frozen=True)
class Trend:
    """How what fails now compares with what failed when the rule was last recorded. Instants are aware.

    Attributes:
        run_id, stage, recorded_at: the judgement that this one is compared with.
        before: how many failed then, exactly.
        new, persisting, resolved: how many keys, of those that can be compared.
        is_exact: whether every key was compared; if not, only the first `failing_keys_per_rule` were.
        failing_since: the first of the recorded judgements in a row in which the rule failed.
        keys_since: parallel to the result's `keys`: the same for each key; none where it is not known.
    """

    run_id: str
    stage: str
    recorded_at: datetime
    before: int
    new: int
    persisting: int
    resolved: int
    is_exact: bool
    failing_since: datetime | None
    new_keys: tuple[str, ...] = ()
    resolved_keys: tuple[str, ...] = ()
    keys_since: tuple[datetime | None, ...] = ()

    def to_json(self, shown: int) -> dict[str, Any]:
        """As much of it as is shown: at most `shown` keys in a list."""
        return {
            "run_id": self.run_id,
            "stage": self.stage,
            "recorded_at": self.recorded_at.isoformat(),
            "before": self.before,
            "new": self.new,
            "persisting": self.persisting,
            "resolved": self.resolved,
            "is_exact": self.is_exact,
            "failing_since": _iso(self.failing_since),
            "new_keys": list(self.new_keys[:shown]),
            "resolved_keys": list(self.resolved_keys[:shown]),
            "sample_keys_since": [_iso(since) for since in self.keys_since[:shown]],
        }


@dataclass(frozen=True)
class Sample:
    """What the application's tables say of one key that fails; read only where it was asked for.

    Attributes:
        values: JSON's own types, by what Rollcall calls the columns; instants as text, in UTC.
    """

    key: str
    values: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {"key": self.key, **self.values}


@dataclass(frozen=True)
class RuleResult:
    """One rule judged: an exact count, and whether the suite tolerates it.

    Attributes:
        violations: all of them, exactly; `waived` of them are known and accepted.
        sample_keys: the first of those that are not waived; `keys` are more of them, to be compared
            from run to run and never shown.
        waived_keys: the first of those that are waived.
        trend: none where nothing was recorded before, or the record cannot be read.
        samples: values of the rows of the first keys; none unless asked for, and never kept.
    """

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
    waived: int = 0
    waived_keys: tuple[str, ...] = ()
    keys: tuple[str, ...] = field(default=(), repr=False)
    trend: Trend | None = None
    samples: tuple[Sample, ...] = field(default=(), repr=False)

    @property
    def failing(self) -> int:
        """How many violations count: those without a waiver."""
        return self.violations - self.waived

    def to_json(self) -> dict[str, Any]:
        document = {
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
            "waived": self.waived,
            "waived_keys": list(self.waived_keys),
            "trend": self.trend.to_json(len(self.sample_keys) or TREND_KEYS) if self.trend else None,
        }
        samples = {"samples": [sample.to_json() for sample in self.samples]} if self.samples else {}
        return document | samples


@dataclass(frozen=True)
class PastResult:
    """How often a rule was violated in one recorded judgement, for a chart."""

    rule: str
    recorded_at: datetime
    violations: int
    waived: int


@dataclass(frozen=True)
class OpenSession:
    """One open session of the timeline: keys and times alone. `state` is one of `STATES`."""

    session_id: str
    agent_id: str
    login_at: datetime
    last_seen_at: datetime
    state: str


@dataclass(frozen=True)
class Presence:
    """Who is really there: every open session counted by state, and some of them."""

    counts: dict[str, int]
    sessions: tuple[OpenSession, ...]


@dataclass(frozen=True)
class PendingWork:
    """What a run would do, counted: the statements, and the changes of sessions."""

    statements: tuple[Statement, ...]
    change_count: int
    by_remedy: Counter[str]
    by_rule: Counter[str]

    @property
    def is_empty(self) -> bool:
        return not self.statements and not self.change_count


@dataclass(frozen=True)
class HistoryReading:
    """What was read of the history: closed sessions and calls.

    Attributes:
        since: what was closed or moved from this instant on; none if everything was read.
        known: how many keys that failed before were judged again, whenever they changed.
        full_at: when everything was read and recorded last.
        why_full: why everything was read.
        definition: digest of the rules that judged it.
    """

    since: datetime | None
    known: int
    full_at: datetime | None
    why_full: str
    definition: str = field(repr=False)

    @property
    def is_full(self) -> bool:
        return self.since is None

    def to_json(self) -> dict[str, Any]:
        return {
            "is_full": self.is_full,
            "why_full": self.why_full or None,
            "since": _iso(self.since),
            "known": self.known,
            "full_at": _iso(self.full_at),
        }


@dataclass(frozen=True)
class TrippedBreaker:
    """An unattended run that the breaker stopped, not dealt with yet. tripped_at is aware.

    Attributes:
        evidence: what the breaker saw and what to check, in whole sentences.
    """

    run_id: str
    tripped_at: datetime
    evidence: str

    @property
    def warning(self) -> str:
        return f"the breaker stopped run {self.run_id} and it is not dealt with: {self.evidence}"

    def to_json(self) -> dict[str, Any]:
        return {
            "run_id": self.run_id,
            "tripped_at": self.tripped_at.isoformat(),
            "evidence": self.evidence,
        }


@dataclass(frozen=True)
class Assessment:
    """A database judged on one snapshot. Instants are aware datetimes, in UTC.

    Attributes:
        facts: counts beside the rules: open_sessions, working_sessions, active_agents.
        waivers: what has become of each waiver that was judged.
        past: how often each rule was violated in the last recorded judgements, oldest first.
        presence: the open sessions for the report's timeline; none unless asked for.
        pending: what a run would do, for the report; none unless asked for.
        history: what was read of the history; none unless it was judged.
        breaker: the run that the breaker stopped last, while it is not dealt with.
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
    waivers: tuple[WaiverResult, ...] = ()
    past: tuple[PastResult, ...] = field(default=(), repr=False)
    presence: Presence | None = field(default=None, repr=False)
    pending: PendingWork | None = field(default=None, repr=False)
    history: HistoryReading | None = None
    breaker: TrippedBreaker | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "breaker": self.breaker.to_json() if self.breaker else None,
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
            "history": self.history.to_json() if self.history else None,
            "waivers": [waiver.to_json() for waiver in self.waivers],
        }


def _iso(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None
