"""A run's outcome in plain English: the texts that all renderings share.

The texts are prose in which `backticks` mark code; each renderer escapes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from rollcall.report.outcome import RunOutcome
from rollcall.report.text import in_words, moment, number
from rollcall.rules.results import (
    Assessment,
    Check,
    HistoryReading,
    RuleResult,
    Severity,
    TrippedBreaker,
    Verdict,
)
from rollcall.rules.sentences import rule_sentences
from rollcall.rules.verdict import HEADLINES

__all__ = [
    "BREAKER_TITLE",
    "CHECK_QUESTIONS",
    "ages",
    "breaker_sentences",
    "check_title",
    "compared_with",
    "count_of",
    "deciding",
    "history_sentence",
    "moved",
    "not_judged_sentence",
    "noted",
    "remedy_of",
    "remedy_title",
    "rule_sentence",
    "rule_title",
    "sample_columns",
    "sample_title",
    "sample_value",
    "symbol",
    "trend_sentence",
    "units_of",
    "verdict_sentence",
    "verdict_title",
]

BREAKER_TITLE = "The breaker tripped: do not clean before the feed is checked"
CHECK_QUESTIONS: Mapping[Check, str] = {
    Check.SCHEMA_READY: "Is everything there that live status control needs in the schema?",
    Check.SESSIONS_CLEAN: "Do the open sessions agree with the agents' presence?",
    Check.CALL_REFS_CLEAN: "Does every call that a session refers to really take place?",
    Check.AGENTS_AVAILABLE: "Can an active agent take a call?",
    Check.DATA_TRUSTWORTHY: "Can all rows be read, and believed?",
}

_REMEDIES = {
    "close": "Close the session: closed status, logout time, no call reference",
    "reset_status": "Set the status right: available if seen just now, else break",
    "clear_reference": "Clear the reference to a call that is missing or over",
}
_DECIDING = (Severity.BLOCKING, Severity.CRITICAL)


# --- names ------------------------------------------------------------------------------------


def verdict_title(verdict: Verdict) -> str:
    """The verdict as the contract shows it, such as “NEEDS SESSION CLEANUP”."""
    return HEADLINES[verdict][1]


def symbol(verdict: Verdict) -> str:
    return HEADLINES[verdict][0]


def check_title(check: Check) -> str:
    """A check's title, such as “Call references clean”."""
    return _sentence_case(check.value.replace("_refs_", "_references_"))


def rule_title(name: str) -> str:
    """A rule's title, such as “Abandoned session”."""
    return _sentence_case(name)


def remedy_title(remedy: str) -> str:
    return _REMEDIES.get(remedy, _sentence_case(remedy))


def _sentence_case(name: str) -> str:
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def count_of(count: int, unit: str) -> str:
    """A count with its unit, such as “1 session” or “1,234 sessions”. unit: in the plural."""
    return f"{number(count)} {unit.removesuffix('s') if count == 1 else unit}"


def units_of(assessment: Assessment) -> dict[str, str]:
    """Map each rule to its unit: ``sessions``, ``calls``, ``agents`` or ``objects``.

    A violated rule about the database as a whole counts nothing that has a key.
    """
    units = {rule.name: rule.unit for judgement in assessment.judgements for rule in judgement.suite.rules}
    return {
        rule.name: "findings"
        if rule.violations == 1 and not (rule.sample_keys or rule.waived)
        else units.get(rule.name, "findings")
        for rule in assessment.rules
    }


# --- what was found ---------------------------------------------------------------------------


def breaker_sentences(breaker: TrippedBreaker) -> list[str]:
    """The recorded reason for which the breaker stopped a run, and how to resolve it."""
    return [
        f"Run `{breaker.run_id}` was stopped, {moment(breaker.tripped_at)}.",
        breaker.evidence,
        "Every report begins with this until a clean-up has ended without a failure.",
    ]


def verdict_sentence(outcome: RunOutcome) -> str:
    """The meaning of the verdict, in one or two sentences."""
    if outcome.latest is None:
        return "Nothing was judged, so it is not known how ready the database is."
    if outcome.changed and outcome.verification is None:
        return "This was judged before the run changed anything, and has not been verified since."
    if outcome.breaker is not None:
        return (
            "The checks judge what the tables say. The breaker tripped because the feed that fills them"
            " is in doubt. Until it is checked, none of the"
            f" {count_of(outcome.latest.pending_changes, 'planned repairs')} is done by itself."
        )
    return _meaning(outcome.latest)


def _meaning(latest: Assessment) -> str:
    sessions = count_of(latest.pending_changes, "sessions")
    if latest.verdict is Verdict.READY:
        waived = sum(rule.waived for rule in latest.rules)
        but = f" {count_of(waived, 'violations')} are waived." if waived else ""
        return f"All five checks pass: the sessions show reliably which agents are present.{but}"
    if latest.verdict is Verdict.NEEDS_SESSION_CLEANUP:
        return f"The schema is ready and the data can be trusted. What is left: {sessions} to repair."
    if latest.verdict is Verdict.NEEDS_DATABASE_MIGRATION:
        missing = count_of(latest.pending_statements, "statements")
        return f"The schema comes first: {missing} to execute. Then {sessions} to repair."
    return "A person must act first. Until then `run` changes nothing."


def history_sentence(reading: HistoryReading) -> str:
    """The range of closed sessions and calls that the counts cover."""
    last = f"; all of it was read {moment(reading.full_at)}" if reading.full_at else ""
    if reading.since is None:
        return f"All closed sessions and all calls were read: {reading.why_full}."
    known = f", and {number(reading.known)} known to fail" if reading.known else ""
    return f"Of closed sessions and calls those since {moment(reading.since)} were read{known}{last}."


def not_judged_sentence(assessment: Assessment) -> str:
    """The rules that have no meaning for this application, with the reasons."""
    return "; ".join(f"{', '.join(names)} ({reason})" for reason, names in assessment.not_judged.items())


def deciding(assessment: Assessment) -> list[RuleResult]:
    """The violated rules that fail a check, the most severe first."""
    return _worst_first(rule for rule in _violated(assessment) if rule.severity in _DECIDING)


def noted(assessment: Assessment) -> list[RuleResult]:
    """The violated rules that do not decide, warnings first."""
    return _worst_first(rule for rule in _violated(assessment) if rule.severity not in _DECIDING)


def _violated(assessment: Assessment) -> Iterable[RuleResult]:
    return (rule for rule in assessment.rules if not rule.passed)


def _worst_first(rules: Iterable[RuleResult]) -> list[RuleResult]:
    return sorted(rules, key=lambda rule: (rule.severity.rank, -rule.violations))


# --- trends -----------------------------------------------------------------------------------


def remedy_of(rule: RuleResult, breaker: TrippedBreaker | None) -> str:
    """A rule's remedy; the remedy of a clean-up waits until a tripped breaker is resolved."""
    if breaker is None or "`clean`" not in rule.remedy:
        return rule.remedy
    return f"Wait: the breaker tripped. Once the feed is checked: {rule.remedy}"


def rule_sentence(rule: RuleResult) -> str | None:
    """What violates the rule; none for rules of the schema, of the cleaned views and a user's own."""
    return rule_sentences().get(rule.name)


def moved(assessment: Assessment) -> list[RuleResult]:
    """The recorded rules that fail or have resolved violations, the most severe first."""
    return _worst_first(
        rule for rule in assessment.rules if rule.trend and (rule.failing or rule.trend.resolved)
    )


def compared_with(rules: Sequence[RuleResult]) -> str:
    """The judgement that the trends compare with, usually the same for all rules."""
    found = {(rule.trend.run_id, rule.trend.stage): rule.trend for rule in rules if rule.trend}
    latest = max(found.values(), key=lambda trend: trend.recorded_at)
    text = (
        f"Compared with run `{latest.run_id}`, judged {latest.stage} its work, {moment(latest.recorded_at)}."
    )
    return text + (" Rules that were not judged then, with the time before that." if len(found) > 1 else "")


def trend_sentence(rule: RuleResult) -> str | None:
    """A trend such as “3 new, 12 persisting, 5 resolved; failing since 2026-11-20 …”."""
    trend = rule.trend
    if trend is None:
        return None
    if not (trend.new or trend.persisting or trend.resolved):
        return f"Failing since {moment(trend.failing_since)}." if trend.failing_since else None
    parts = [
        f"{number(count)} {word}"
        for count, word in (
            (trend.new, "new"),
            (trend.persisting, "persisting"),
            (trend.resolved, "resolved"),
        )
        if count
    ]
    about = "" if trend.is_exact else "of the keys compared, "
    since = f"; failing since {moment(trend.failing_since)}" if trend.failing_since else ""
    text = f"{about}{', '.join(parts)}{since}."
    return text[:1].upper() + text[1:]


def ages(rule: RuleResult, now: datetime) -> dict[str, str]:
    """The age of each sample key with a known start: “new”, or how long it has failed."""
    trend = rule.trend
    if trend is None:
        return {}
    new = set(trend.new_keys)
    pairs = zip(rule.sample_keys, trend.keys_since, strict=False)
    return {
        key: "new" if key in new else f"for {in_words((now - since).total_seconds())}"
        for key, since in pairs
        if since is not None
    }


# --- requested sample values ------------------------------------------------------------------


def sample_columns(rule: RuleResult) -> list[str]:
    """The columns that have a value in any sample of the rule."""
    columns = rule.samples[0].values if rule.samples else {}
    return [name for name in columns if any(sample.values[name] is not None for sample in rule.samples)]


def sample_title(column: str) -> str:
    """A column's title, such as “Last seen at”, or “Idle” for `idle_seconds`."""
    return _sentence_case(column.removesuffix("_seconds"))


def sample_value(column: str, value: object) -> str:
    """A sample value, formatted for display."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if column.endswith("_seconds") and isinstance(value, int | float):
        return in_words(value)
    if column.endswith("_at") and isinstance(value, str):
        return value.replace("T", " ")[:19]
    return str(value)
