"""The changes and the proof of a run, and the next steps, in plain English.

The texts are prose in which `backticks` mark code; each renderer escapes them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from rollcall.report.outcome import RunOutcome
from rollcall.report.text import number, printable
from rollcall.report.words import count_of, deciding, rule_title
from rollcall.rules.results import (
    Assessment,
    Severity,
    Verdict,
)

if TYPE_CHECKING:
    from rollcall.ledger.images import ImagesProof
    from rollcall.steps.migrate.proof import MigrationProof
    from rollcall.steps.migrate.table_contents import TableProof
    from rollcall.steps.verify import Proof

__all__ = [
    "Changed",
    "Skipped",
    "changes_of_rules",
    "grouped",
    "images_sentence",
    "migration_sentences",
    "next_steps",
    "proof_sentences",
    "table_sentence",
    "what_was_done",
]


@dataclass(frozen=True)
class Changed:
    """A rule's exact count before and after a run; None where the rule was not judged."""

    name: str
    severity: Severity
    before: int | None
    after: int | None


def changes_of_rules(before: Assessment, after: Assessment) -> list[Changed]:
    """The rules that are violated before or after the run, those that decide first."""
    found = {rule.name: rule for rule in (*before.rules, *after.rules)}
    counts = [{rule.name: rule.violations for rule in judged.rules} for judged in (before, after)]
    changes = [
        Changed(rule.name, rule.severity, counts[0].get(rule.name), counts[1].get(rule.name))
        for rule in found.values()
    ]
    return sorted(
        (change for change in changes if change.before or change.after),
        key=lambda change: (change.severity.rank, -(change.before or 0)),
    )


@dataclass(frozen=True)
class Skipped:
    """The rows skipped for one reason: the exact count and the first keys."""

    reason: str
    count: int
    keys: tuple[str, ...]


def grouped(
    skipped: Sequence[Mapping[str, str]], key: str, reasons: int, keys: int
) -> tuple[list[Skipped], int]:
    """Group the skipped rows by reason, the most frequent first, and count the omitted rows.

    Args:
        skipped: rows with ``reason`` and a key.
        key: the name of that key.
        reasons, keys: the maximum number of reasons, and of keys for each.
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
    """One sentence for each step that ran; empty if no step ran."""
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
    """The result of the proof, the conclusion first."""
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
    """Whether the recorded images match their digests, in one sentence."""
    if not images.is_recorded:
        return "An earlier version recorded the images, without a digest: they cannot be proven."
    if images.holds:
        return "The recorded images fit their digests."
    if not images.altered:
        return "The recorded images do not fit the digest of the run: some were removed or added."
    named = ", ".join(images.altered_keys)
    return f"The record of {count_of(images.altered, 'sessions')} was altered after the run: {named}."


def migration_sentences(proof: MigrationProof) -> list[str]:
    """The result of a migration's proof, the conclusion first, without the differences."""
    catalog = proof.catalog
    sentences = [
        "The proof of the migration holds: only what is declared was added."
        if proof.holds
        else "The proof of the migration does not hold: more than what is declared has changed during it.",
        f"{count_of(len(catalog.added), 'declared objects')} of the application's tables added,"
        f" {number(catalog.identical)} exactly as before.",
    ]
    if catalog.unexpected:
        sentences.append(
            f"Undeclared differences: {count_of(len(catalog.unexpected), 'differences')}, like"
            f" {_named(catalog.unexpected[0])}."
        )
    if not proof.is_complete:
        sentences.append("The run did not end by itself: what was before it is compared with what is now.")
    sentences += [f"Rows: {_named(table_sentence(table))}." for table in catalog.tables]
    if proof.changed_since:
        sentences.append(
            f"Changed since: {count_of(len(proof.changed_since), 'differences')}, like"
            f" {_named(proof.changed_since[0])}."
        )
    return sentences


def table_sentence(table: TableProof) -> str:
    """The comparison of one table's rows, without a full stop."""
    if table.rows_before is None or table.rows_after is None:
        return f"{table.table} is too large to be counted"
    counts = f"{number(table.rows_before)} before, {number(table.rows_after)} after"
    if table.is_same:
        return f"{table.table} {counts}, and their digests are equal"
    if not table.holds:
        return f"{table.table} {counts}, none of them was written, and yet their digests differ"
    written = f"{number(table.written or 0)} of them written during the run"
    return f"{table.table} {counts}, {written}" + (" (no digest)" if table.is_same is None else "")


def _named(text: str) -> str:
    """Names from the database, without backticks, which would mark code."""
    return printable(text, 200).replace("`", "'")


# --- what to do next --------------------------------------------------------------------------


def next_steps(outcome: RunOutcome) -> list[str]:
    """The next steps, the most urgent first; never empty."""
    steps = [*_after_trouble(outcome), *_towards_ready(outcome)]
    return steps or ["Nothing. Let `rollcall serve` keep it that way on a schedule."]


def _after_trouble(outcome: RunOutcome) -> list[str]:
    steps = []
    if outcome.breaker is not None:
        steps += [
            "Check that the clients' heartbeats and activity reach the database.",
            "Find out whether the agents of the sessions to be closed are present.",
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
            f"Find out which session changed the application's tables during run `{migration.run_id}`:"
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
        return ["Some sessions became due during the run: the next `rollcall clean` repairs them."]
    return []
