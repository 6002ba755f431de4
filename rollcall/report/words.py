"""A run's outcome in plain English: what every rendering says, so that they all say the same.

Texts returned here are prose in which `backticks` mark code; each renderer escapes them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from rollcall.report.outcome import RunOutcome
from rollcall.report.text import in_words, moment, number, printable
from rollcall.rules.results import (
    Assessment,
    Check,
    HistoryReading,
    RuleResult,
    Severity,
    TrippedBreaker,
    Verdict,
)
from rollcall.rules.verdict import HEADLINES

if TYPE_CHECKING:
    from rollcall.ledger.images import ImagesProof
    from rollcall.migrate.proof import MigrationProof
    from rollcall.migrate.table_contents import TableProof
    from rollcall.verify import Proof

__all__ = [
    "BREAKER_TITLE",
    "CHECK_QUESTIONS",
    "Changed",
    "Skipped",
    "ages",
    "breaker_sentences",
    "changes_of_rules",
    "check_title",
    "compared_with",
    "count_of",
    "deciding",
    "grouped",
    "history_sentence",
    "images_sentence",
    "migration_sentences",
    "moved",
    "next_steps",
    "noted",
    "proof_sentences",
    "remedy_of",
    "remedy_title",
    "rule_page",
    "rule_title",
    "sample_columns",
    "sample_title",
    "sample_value",
    "symbol",
    "table_sentence",
    "trend_sentence",
    "units_of",
    "verdict_sentence",
    "verdict_title",
    "what_was_done",
]

BREAKER_TITLE = "The breaker tripped: do not clean before the feed is checked"
CHECK_QUESTIONS: Mapping[Check, str] = {
    Check.SCHEMA_READY: "Is everything there that live status control needs in the schema?",
    Check.SESSIONS_CLEAN: "Do the open sessions tell the truth about who is there?",
    Check.CALL_REFS_CLEAN: "Does every call that a session refers to really take place?",
    Check.AGENTS_AVAILABLE: "Is there an active agent whom a call could reach?",
    Check.DATA_TRUSTWORTHY: "Can all rows be read, and believed?",
}

_REMEDIES = {
    "close": "Close the session: closed status, logout time, no call reference",
    "reset_status": "Set the status right: available if seen just now, else break",
    "clear_reference": "Clear the reference to a call that is missing or over",
}
_SEVERITIES = tuple(Severity)
_SUITES_WITH_PAGES = ("readiness", "history", "schema")
_DECIDING = (Severity.BLOCKING, Severity.CRITICAL)


# --- names ------------------------------------------------------------------------------------


def verdict_title(verdict: Verdict) -> str:
    """As the contract shows it, like “NEEDS SESSION CLEANUP”."""
    return HEADLINES[verdict][1]


def symbol(verdict: Verdict) -> str:
    return HEADLINES[verdict][0]


def check_title(check: Check) -> str:
    """Like “Call references clean”, close to the name that the other outputs use."""
    return _sentence_case(check.value.replace("_refs_", "_references_"))


def rule_title(name: str) -> str:
    """Like “Abandoned session”."""
    return _sentence_case(name)


def remedy_title(remedy: str) -> str:
    return _REMEDIES.get(remedy, _sentence_case(remedy))


def _sentence_case(name: str) -> str:
    words = name.replace("_", " ")
    return words[:1].upper() + words[1:]


def count_of(count: int, unit: str) -> str:
    """Like “1 session” or “1,234 sessions”. unit: in the plural."""
    return f"{number(count)} {unit.removesuffix('s') if count == 1 else unit}"


def units_of(assessment: Assessment) -> dict[str, str]:
    """What each rule counts: rule to ``sessions``, ``calls``, ``agents`` or ``objects``.

    A rule that judges the whole floor and found its one fault counts nothing that can be named.
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
    """What stopped the run, as it was recorded, and until when every report begins with it."""
    return [
        f"Run `{breaker.run_id}` was stopped, {moment(breaker.tripped_at)}.",
        breaker.evidence,
        "Every report begins with this until a clean-up has ended without a failure.",
    ]


def verdict_sentence(outcome: RunOutcome) -> str:
    """What the verdict means, in a sentence or two."""
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
        return f"All five checks pass: what the sessions say about who is there can be relied on.{but}"
    if latest.verdict is Verdict.NEEDS_SESSION_CLEANUP:
        return f"The schema is ready and the data can be trusted. What is left: {sessions} to repair."
    if latest.verdict is Verdict.NEEDS_DATABASE_MIGRATION:
        missing = count_of(latest.pending_statements, "statements")
        return f"The schema comes first: {missing} to execute. Then {sessions} to repair."
    return "A person must act first. Until then `run` changes nothing."


def history_sentence(reading: HistoryReading) -> str:
    """What the counts of the history are of."""
    last = f"; all of it was read {moment(reading.full_at)}" if reading.full_at else ""
    if reading.since is None:
        return f"All closed sessions and all calls were read: {reading.why_full}."
    known = f", and {number(reading.known)} known to fail" if reading.known else ""
    return f"Of closed sessions and calls those since {moment(reading.since)} were read{known}{last}."


def deciding(assessment: Assessment) -> list[RuleResult]:
    """The violated rules that fail a check, the worst first."""
    return _worst_first(rule for rule in _violated(assessment) if rule.severity in _DECIDING)


def noted(assessment: Assessment) -> list[RuleResult]:
    """The violated rules that are worth knowing and decide nothing, warnings first."""
    return _worst_first(rule for rule in _violated(assessment) if rule.severity not in _DECIDING)


def _violated(assessment: Assessment) -> Iterable[RuleResult]:
    return (rule for rule in assessment.rules if not rule.passed)


def _worst_first(rules: Iterable[RuleResult]) -> list[RuleResult]:
    return sorted(rules, key=lambda rule: (_SEVERITIES.index(rule.severity), -rule.violations))


# --- since the last time ------------------------------------------------------------------------


def remedy_of(rule: RuleResult, breaker: TrippedBreaker | None) -> str:
    """The rule's remedy; what a clean-up mends waits while a breaker is not dealt with."""
    if breaker is None or "`clean`" not in rule.remedy:
        return rule.remedy
    return f"Wait: the breaker tripped. Once the feed is checked: {rule.remedy}"


def rule_page(rule: RuleResult) -> str | None:
    """Where the rule is explained; none for rules of the cleaned views and a user's own."""
    return f"docs/rules/{rule.name}.md" if rule.suite in _SUITES_WITH_PAGES else None


def moved(assessment: Assessment) -> list[RuleResult]:
    """The rules that fail, or of which something was resolved, if they were recorded before; worst first."""
    return _worst_first(
        rule for rule in assessment.rules if rule.trend and (rule.failing or rule.trend.resolved)
    )


def compared_with(rules: Sequence[RuleResult]) -> str:
    """With what the rules are compared: one judgement as a rule."""
    found = {(rule.trend.run_id, rule.trend.stage): rule.trend for rule in rules if rule.trend}
    latest = max(found.values(), key=lambda trend: trend.recorded_at)
    text = (
        f"Compared with run `{latest.run_id}`, judged {latest.stage} its work, {moment(latest.recorded_at)}."
    )
    return text + (" Rules that were not judged then, with the time before that." if len(found) > 1 else "")


def trend_sentence(rule: RuleResult) -> str | None:
    """Like “3 new, 12 persisting, 5 resolved; failing since 2026-11-20 12:00:00 UTC.”"""
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
    """Of each sample key whose beginning is known: “new”, or since how long it has been failing."""
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


# --- values that were asked for -----------------------------------------------------------------


def sample_columns(rule: RuleResult) -> list[str]:
    """The columns of which any sample of the rule has a value."""
    columns = rule.samples[0].values if rule.samples else {}
    return [name for name in columns if any(sample.values[name] is not None for sample in rule.samples)]


def sample_title(column: str) -> str:
    """Like “Last seen at”, or “Idle” for `idle_seconds`, which are shown in words."""
    return _sentence_case(column.removesuffix("_seconds"))


def sample_value(column: str, value: object) -> str:
    """One of them as a person reads it."""
    if value is None:
        return "–"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if column.endswith("_seconds") and isinstance(value, int | float):
        return in_words(value)
    if column.endswith("_at") and isinstance(value, str):
        return value.replace("T", " ")[:19]
    return str(value)


# --- what was done ----------------------------------------------------------------------------


@dataclass(frozen=True)
class Changed:
    """A rule's exact count before and after a run; none where the rule was not judged."""

    name: str
    severity: Severity
    before: int | None
    after: int | None


def changes_of_rules(before: Assessment, after: Assessment) -> list[Changed]:
    """The rules that were violated before or are violated after, those that decide first."""
    found = {rule.name: rule for rule in (*before.rules, *after.rules)}
    counts = [{rule.name: rule.violations for rule in judged.rules} for judged in (before, after)]
    changes = [
        Changed(rule.name, rule.severity, counts[0].get(rule.name), counts[1].get(rule.name))
        for rule in found.values()
    ]
    return sorted(
        (change for change in changes if change.before or change.after),
        key=lambda change: (_SEVERITIES.index(change.severity), -(change.before or 0)),
    )


@dataclass(frozen=True)
class Skipped:
    """What was left alone for one reason: the exact count, and the first keys."""

    reason: str
    count: int
    keys: tuple[str, ...]


def grouped(
    skipped: Sequence[Mapping[str, str]], key: str, reasons: int, keys: int
) -> tuple[list[Skipped], int]:
    """The skipped rows by reason, the most frequent first, and how many rows are not in there.

    Args:
        skipped: rows with ``reason`` and a key.
        key: the name of that key.
        reasons, keys: at most so many reasons, and keys of each.
    """
    counts: dict[str, int] = {}
    first: dict[str, list[str]] = {}
    for row in skipped:
        reason = row["reason"]
        counts[reason] = counts.get(reason, 0) + 1
        shown = first.setdefault(reason, [])
        if len(shown) < keys:
            shown.append(row[key])
    largest = sorted(counts, key=lambda reason: -counts[reason])[:reasons]
    groups = [Skipped(reason, counts[reason], tuple(first[reason])) for reason in largest]
    return groups, len(skipped) - sum(group.count for group in groups)


def what_was_done(outcome: RunOutcome) -> list[str]:
    """One sentence for each step that ran; none if no step did."""
    sentences = []
    if outcome.migration is not None:
        sentences.append(_migrated(len(outcome.migration.executed), len(outcome.migration.skipped)))
    if outcome.cleaning is not None:
        cleaning = outcome.cleaning
        sentences.append(_cleaned(cleaning.planned, cleaning.changed, len(cleaning.skipped)))
    return sentences


def _migrated(executed: int, skipped: int) -> str:
    if not executed and not skipped:
        return "The schema needed nothing, so no statement was executed."
    text = f"{count_of(executed, 'statements')} executed on the schema; nothing was dropped."
    return text + (f" {count_of(skipped, 'statements')} could not be executed." if skipped else "")


def _cleaned(planned: int, changed: int, skipped: int) -> str:
    if not planned:
        return "No session needed repair, so none was changed."
    text = f"{number(changed)} of {count_of(planned, 'planned sessions')} repaired."
    return text + (f" {number(skipped)} left alone." if skipped else "")


def proof_sentences(proof: Proof) -> list[str]:
    """What the proof says, the conclusion first."""
    accounted = proof.planned == proof.changed + proof.skipped
    return [
        "The proof holds: only what was planned was changed."
        if proof.holds
        else "The proof does not hold. Look at this run before you rely on it.",
        f"Of {count_of(proof.planned, 'planned sessions')}, {number(proof.changed)} changed"
        f" and {number(proof.skipped)} left alone: "
        + ("each one is accounted for." if accounted else "they do not add up."),
        "No column but the planned ones differs between the images before and after."
        if not proof.other_columns_changed
        else f"More than the planned columns changed in {count_of(proof.other_columns_changed, 'sessions')}.",
        "Every changed session is still in the table."
        if not proof.rows_missing
        else f"No longer in the table: {count_of(proof.rows_missing, 'changed sessions')}.",
        "None of them was changed since."
        if not proof.changed_since
        else f"Changed again since, outside Rollcall: {count_of(proof.changed_since, 'sessions')}.",
        *([images_sentence(proof.images)] if proof.images is not None else []),
    ]


def images_sentence(images: ImagesProof) -> str:
    """Whether the recorded images fit their digests, in one sentence."""
    if not images.is_recorded:
        return "An earlier version recorded the images, without a digest: they cannot be proven."
    if images.holds:
        return "The recorded images fit their digests."
    if not images.altered:
        return "The recorded images do not fit the digest of the run: some were removed or added."
    named = ", ".join(images.altered_keys)
    return f"The record of {count_of(images.altered, 'sessions')} was altered after the run: {named}."


def migration_sentences(proof: MigrationProof) -> list[str]:
    """What the proof of a migration says, the conclusion first; what differs is listed beside it."""
    catalogue = proof.catalogue
    sentences = [
        "The proof of the migration holds: only what is declared was added."
        if proof.holds
        else "The proof of the migration does not hold: more than what is declared has changed meanwhile.",
        f"{count_of(len(catalogue.added), 'declared objects')} of the application's tables added,"
        f" {number(catalogue.identical)} exactly as before.",
    ]
    if catalogue.unexpected:
        sentences.append(
            f"Undeclared differences: {count_of(len(catalogue.unexpected), 'differences')}, like"
            f" {_named(catalogue.unexpected[0])}."
        )
    if not proof.is_complete:
        sentences.append("The run did not end by itself: what was before it is compared with what is now.")
    sentences += [f"Rows: {_named(table_sentence(table))}." for table in catalogue.tables]
    if proof.changed_since:
        sentences.append(
            f"Changed since: {count_of(len(proof.changed_since), 'differences')}, like"
            f" {_named(proof.changed_since[0])}."
        )
    return sentences


def table_sentence(table: TableProof) -> str:
    """How the rows of one table compare, without a full stop."""
    if table.rows_before is None or table.rows_after is None:
        return f"{table.table} is too large to be counted"
    counts = f"{number(table.rows_before)} before, {number(table.rows_after)} after"
    if table.is_same:
        return f"{table.table} {counts}, and their digests are equal"
    if not table.holds:
        return f"{table.table} {counts}, none of them was written, and yet their digests differ"
    written = f"{number(table.written or 0)} of them written meanwhile"
    return f"{table.table} {counts}, {written}" + (" (no digest)" if table.is_same is None else "")


def _named(text: str) -> str:
    """Names from the database, in which no backtick shall mark code."""
    return printable(text, 200).replace("`", "'")


# --- what to do next --------------------------------------------------------------------------


def next_steps(outcome: RunOutcome) -> list[str]:
    """What to do next, the most urgent first; never empty."""
    steps = [*_after_trouble(outcome), *_towards_ready(outcome)]
    return steps or ["Nothing. Let `rollcall serve` keep it that way on a schedule."]


def _after_trouble(outcome: RunOutcome) -> list[str]:
    steps = []
    if outcome.breaker is not None:
        steps += [
            "Check that the clients' heartbeats and activity reach the database.",
            "Find out whether the agents are there whose sessions would be closed.",
            "Once the feed works, let the next unattended run go on. Only if the agents are gone indeed, a"
            " person executes the plan.",
        ]
    proof = outcome.verification.proof if outcome.verification else None
    if proof is not None and not proof.holds:
        steps.append(
            f"Compare the images before and after of run `{proof.run_id}` in the ledger:"
            " its proof does not hold."
        )
    migration = outcome.verification.migration if outcome.verification else None
    if migration is not None and not migration.holds:
        steps.append(
            f"Ask who else changed the application's tables while run `{migration.run_id}` migrated:"
            f" `rollcall verify --run {migration.run_id}` names what."
        )
    if outcome.migration is not None and outcome.migration.skipped:
        steps.append("Look at why a statement could not be executed, then run `rollcall migrate`.")
    if outcome.cleaning is not None and outcome.cleaning.skipped:
        steps.append("The next run judges the sessions that were left alone again.")
    return steps


def _towards_ready(outcome: RunOutcome) -> list[str]:
    latest = outcome.latest
    if latest is None:
        return [] if outcome.breaker else ["Judge the database: `rollcall assess`."]
    if outcome.changed and outcome.verification is None:
        return ["Judge the database again: `rollcall verify`."]
    if latest.verdict is Verdict.NOT_READY:
        blocking = [rule for rule in deciding(latest) if rule.severity is Severity.BLOCKING]
        steps = [f"{rule_title(rule.name)}: {rule.remedy}" for rule in blocking]
        return steps or ["Find out what is wrong with `rollcall assess`."]
    if outcome.breaker is not None:
        return []
    if latest.verdict is Verdict.NEEDS_DATABASE_MIGRATION:
        return ["Read the plan with `rollcall plan`, then let `rollcall run` migrate and clean."]
    if latest.verdict is Verdict.NEEDS_SESSION_CLEANUP:
        return ["Read the plan with `rollcall plan`, then let `rollcall clean` repair the sessions."]
    if outcome.verification is not None and outcome.verification.newly_due:
        return ["Some sessions became due meanwhile: the next `rollcall clean` repairs them."]
    return []
