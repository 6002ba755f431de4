"""The values that steps pass to each other and to the reports."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from rollcall.rules.waiver import WaiverResult

if TYPE_CHECKING:
    from rollcall.schema.declared import Statement

TREND_KEYS = 20  # resolved keys shown of a rule that passes
NOT_JUDGED = "NOT_JUDGED"  # shown for a check of which no rule was evaluated


class Severity(StrEnum):
    """The severity of a violated rule; docs/domain.md has the effect of each."""

    BLOCKING = "blocking"
    CRITICAL = "critical"
    WARNING = "warning"
    INFO = "info"

    @property
    def rank(self) -> int:
        """Position for sorting; 0 is the most severe."""
        return list(Severity).index(self)


class Check(StrEnum):
    """The five checks, in the order of the output."""

    SCHEMA_READY = "schema_ready"
    SESSIONS_CLEAN = "sessions_clean"
    CALL_REFS_CLEAN = "call_refs_clean"
    AGENTS_AVAILABLE = "agents_available"
    DATA_TRUSTWORTHY = "data_trustworthy"


class Verdict(StrEnum):
    """The result of an assessment, which follows from the checks."""

    READY = "READY"
    NEEDS_SESSION_CLEANUP = "NEEDS_SESSION_CLEANUP"
    NEEDS_DATABASE_MIGRATION = "NEEDS_DATABASE_MIGRATION"
    NOT_READY = "NOT_READY"


@dataclass(frozen=True)
class Trend:
    """The failing keys of a rule, compared with its last record. Instants are aware.

    Attributes:
        run_id, stage, recorded_at: the earlier judgement.
        before: the exact number of failures then.
        new, persisting, resolved: numbers of compared keys.
        is_exact: whether every key was compared; if not, only the first `failing_keys_per_rule` were.
        failing_since: the first of the consecutive recorded judgements in which the rule failed.
        keys_since: the same for each of the result's `keys`, in their order; none: unknown.
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
        """The trend with at most `shown` keys in each list."""
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
    """Values of the row of one failing key; with ``--samples`` only.

    Attributes:
        values: by Rollcall's name of the column, as types of JSON; instants are text, in UTC.
    """

    key: str
    values: dict[str, Any]

    def to_json(self) -> dict[str, Any]:
        return {"key": self.key, **self.values}


@dataclass(frozen=True)
class RuleResult:
    """The result of one rule: an exact count, and whether the suite tolerates it.

    Attributes:
        violations: the exact number, waived ones included.
        sample_keys: the first keys without a waiver.
        keys: more of them, which are compared from run to run and not shown.
        waived_keys: the first keys with a waiver.
        trend: none without a readable earlier record.
        samples: values of the rows of the first keys, with ``--samples`` only; not stored.
        not_judged: why the rule has no meaning for this application; none where it was judged.
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
    not_judged: str | None = None

    @property
    def failing(self) -> int:
        """The number of violations without a waiver."""
        return self.violations - self.waived

    def to_json(self) -> dict[str, Any]:
        document = {
            "name": self.name,
            "suite": self.suite,
            "check": self.check.value,
            "severity": self.severity.value,
            "violations": self.violations,
            "tolerance": self.tolerance,
            "passed": self.passed and self.not_judged is None,
            "not_judged": self.not_judged,
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
    """The number of violations of a rule in one recorded judgement, for a chart."""

    rule: str
    recorded_at: datetime
    violations: int
    waived: int


@dataclass(frozen=True)
class OpenSession:
    """An open session of the timeline. `state` is one of `STATES`."""

    session_id: str
    agent_id: str
    login_at: datetime
    last_seen_at: datetime
    state: str


@dataclass(frozen=True)
class Presence:
    """The open sessions counted by state, and a selection of them."""

    counts: dict[str, int]
    sessions: tuple[OpenSession, ...]


@dataclass(frozen=True)
class PresenceLook:
    """Agents at one look of an unattended run: shown available, of these not gone, and routable.

    `follows_gap`: nothing is known of the time before.
    """

    look_at: datetime
    follows_gap: bool
    shown_available: int
    not_gone: int
    routable: int


@dataclass(frozen=True)
class GhostDay:
    """An observed day: hours lost to ghosts, and whether the first clean-up was on it or before it."""

    business_day: date
    ghost_hours: float
    observed_hours: float
    is_after_first_clean_up: bool


@dataclass(frozen=True)
class HourOfDay:
    """The calls offered in an hour of the day, and how many of them were answered within so many seconds.

    Attributes:
        calls_of_service_level: of how many offered calls that is known.
    """

    hour_of_day: int
    calls_offered: int
    calls_answered_in_time: int
    calls_of_service_level: int
    within_seconds: float

    @property
    def service_level(self) -> float:
        return self.calls_answered_in_time / self.calls_of_service_level


@dataclass(frozen=True)
class PendingWork:
    """The pending work, counted: statements and changes of sessions."""

    statements: tuple[Statement, ...]
    change_count: int
    by_remedy: Counter[str]
    by_rule: Counter[str]

    @property
    def is_empty(self) -> bool:
        return not self.statements and not self.change_count


@dataclass(frozen=True)
class HistoryReading:
    """The part of the history (closed sessions and calls) that was read.

    Attributes:
        since: rows closed or changed from this instant on; none: all rows.
        known: the number of earlier failing keys that were judged again.
        full_at: the last time that all of it was read and recorded.
        why_full: the reason for reading all of it.
        definition: the digest of the rules.
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
    """A run that the breaker stopped, without a later successful clean-up.

    Attributes:
        evidence: the reason and what to check, in whole sentences.
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
        waivers: the result of each waiver.
        past: the violations of each rule in the last recorded judgements, oldest first.
        presence: the open sessions for the report's timeline; with `details` only.
        looks: the looks at presence of the last hours, oldest first; with `details` only.
        pending: the pending work for the report; with `details` only.
        history: the part of the history that was read; none: the history was not judged.
        breaker: the last run that the breaker stopped, until a later successful clean-up.
        judgements: one `rollcall.rules.judging.Judgement` per suite, for the data docs.
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
    looks: tuple[PresenceLook, ...] = field(default=(), repr=False)
    ghost_days: tuple[GhostDay, ...] = field(default=(), repr=False)
    hours_of_day: tuple[HourOfDay, ...] = field(default=(), repr=False)
    pending: PendingWork | None = field(default=None, repr=False)
    history: HistoryReading | None = None
    breaker: TrippedBreaker | None = None

    def to_json(self) -> dict[str, Any]:
        return {
            "breaker": self.breaker.to_json() if self.breaker else None,
            "verdict": self.verdict.value,
            "checks": {check.value: value for check, value in self.checks.items()},
            "checks_not_judged": [check.value for check in self.checks_not_judged],
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
            "not_judged": [
                {"reason": reason, "rules": list(names)} for reason, names in self.not_judged.items()
            ],
        }

    @property
    def checks_not_judged(self) -> tuple[Check, ...]:
        """The checks of which no rule was evaluated, because the rows cannot be read."""
        evaluated = {rule.check for rule in self.rules}
        return tuple(check for check in self.checks if check not in evaluated)

    def shown(self, check: Check) -> str:
        """The value of a check for a person, which is not PASS where nothing was evaluated."""
        return NOT_JUDGED if check in self.checks_not_judged else self.checks[check]

    @property
    def not_judged(self) -> dict[str, tuple[str, ...]]:
        """The rules that have no meaning for this application, by the reason."""
        reasons = dict.fromkeys(rule.not_judged for rule in self.rules if rule.not_judged)
        return {
            reason: tuple(rule.name for rule in self.rules if rule.not_judged == reason) for reason in reasons
        }


def _iso(instant: datetime | None) -> str | None:
    return instant.isoformat() if instant else None
