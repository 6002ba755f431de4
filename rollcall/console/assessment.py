"""Output of assess and verify: the verdict, the checks, the rules and the proof."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.padding import Padding

from rollcall.console.changes import show_catalog
from rollcall.console.terminal import (
    HOW_TO_EXPLAIN,
    SKIPS_SHOWN,
    instant,
    keys_of,
    symbol,
    table_of,
    write,
)
from rollcall.report.text import printable
from rollcall.report.words import (
    BREAKER_TITLE,
    breaker_sentences,
    history_sentence,
    not_judged_sentence,
    sample_columns,
    sample_title,
    sample_value,
)
from rollcall.report.words_of_changes import images_sentence, next_steps
from rollcall.rules.results import (
    NOT_JUDGED,
    Assessment,
    Check,
    RuleResult,
    Severity,
    TrippedBreaker,
    Verdict,
)
from rollcall.rules.verdict import HEADLINES, PASS

if TYPE_CHECKING:
    from rollcall.report.outcome import RunOutcome
    from rollcall.steps.migrate.proof import MigrationProof
    from rollcall.steps.verify import Proof, Verification


__all__ = ["show_assessment", "show_next_steps", "show_tripped_breaker", "show_verification"]

CHECK_WORDS = {
    Check.SCHEMA_READY: "Schema ready",
    Check.SESSIONS_CLEAN: "Sessions clean",
    Check.CALL_REFS_CLEAN: "Call references clean",
    Check.AGENTS_AVAILABLE: "Agents available",
    Check.DATA_TRUSTWORTHY: "Data trustworthy",
}
COLOURS = {
    Severity.BLOCKING: "bold red",
    Severity.CRITICAL: "red",
    Severity.WARNING: "yellow",
    Severity.INFO: "cyan",
}


def show_assessment(assessment: Assessment, before: Assessment | None = None) -> None:
    """Show the verdict, the checks, and every rule with its exact count.

    Args:
        before: the earlier assessment whose counts are shown for comparison.
    """
    if assessment.breaker is not None:
        show_tripped_breaker(assessment.breaker)
    emoji, headline = HEADLINES[assessment.verdict]
    write(f"{symbol(emoji, '*')} [bold]{headline}[/]")
    write(
        f"[dim]{escape(assessment.database)}, PostgreSQL {assessment.server_version.split(' ')[0]},"
        f" judged {instant(assessment.judged_at)}, cut-off {assessment.cutoff:%H:%M:%S}"
    )
    write()
    checks = table_of()
    for check in assessment.checks:
        value = assessment.shown(check)
        colour = {PASS: "green", NOT_JUDGED: "yellow"}.get(value, "red")
        mark = {PASS: symbol("✓", "ok"), NOT_JUDGED: symbol("–", "--")}.get(value, symbol("✗", "!!"))
        checks.add_row(f"[{colour}]{mark}", CHECK_WORDS[check], f"[{colour}]{value}")
    write(checks)
    _show_rules(assessment, before)
    if assessment.history is not None:
        write(f"[dim]{escape(history_sentence(assessment.history))}")
    for warning in assessment.warnings[1 if assessment.breaker else 0 :]:
        write(f"[yellow]warning:[/] {escape(warning)}")
    write(
        f"pending: {assessment.pending_statements} statements, {assessment.pending_changes} session changes"
    )


def show_next_steps(outcome: RunOutcome) -> None:
    """Show what is left to do, as the report says it."""
    if outcome.latest is not None and outcome.latest.verdict is Verdict.READY:
        return
    for text in next_steps(outcome):
        write(f"next: {escape(text)}")


def show_tripped_breaker(breaker: TrippedBreaker) -> None:
    """Show the breaker's evidence and the next check, before any other output."""
    write(f"[bold red]{symbol('🛑', '!!')} {BREAKER_TITLE}[/]")
    for sentence in breaker_sentences(breaker):
        write(escape(sentence.replace("`", "'")))
    write()


def _show_rules(assessment: Assessment, before: Assessment | None) -> None:
    """Show the violated rules in a table and list the others by name."""
    counts_before = {rule.name: rule.violations for rule in before.rules} if before else {}
    shown = [rule for rule in assessment.rules if rule.violations or counts_before.get(rule.name)]
    shown.sort(key=lambda rule: rule.severity.rank)
    if shown:
        write()
        table = table_of("violated rule", "severity")
        if before is not None:
            table.add_column("before", justify="right")
        table.add_column("now" if before else "violations", justify="right")
        notes = {rule.name: _since_last(rule, with_resolved=before is None) for rule in shown}
        table.add_column("since the last run" if any(notes.values()) and before is None else "")
        for rule in shown:
            colour = COLOURS[rule.severity] if rule.violations else "dim"
            cells = [f"[{colour}]{rule.name}", rule.severity.value]
            if before is not None:
                cells.append(f"[dim]{counts_before.get(rule.name, '')}")
            table.add_row(*cells, f"[{colour}]{rule.violations}", f"[dim]{notes[rule.name]}")
        write(table)
        write(f"[dim]{HOW_TO_EXPLAIN}[/]")
        for rule in shown:
            _show_samples(rule)
    if assessment.not_judged:
        write(f"[dim]not judged here: {escape(not_judged_sentence(assessment))}")
    clean = [rule.name for rule in assessment.rules if rule not in shown and not rule.not_judged]
    if clean:
        write(f"\n[dim]no violation of: {', '.join(clean)}[/]\n")


def _show_samples(rule: RuleResult) -> None:
    """Show the requested values of sample rows."""
    if not rule.samples:
        return
    columns = sample_columns(rule)
    write(f"\n[bold]{rule.name}[/], {len(rule.samples)} of {rule.failing}; times are UTC")
    for sample in rule.samples:
        values = (
            f"{sample_title(column).lower()} {printable(sample_value(column, sample.values[column]))}"
            for column in columns
            if sample.values[column] is not None
        )
        write(f"  {escape(printable(sample.key))}", soft_wrap=True)
        write(Padding(f"[dim]{escape(', '.join(values))}", (0, 0, 0, 4)))


def _since_last(rule: RuleResult, *, with_resolved: bool) -> str:
    """Format a trend such as “3 new, 2 resolved, 1 waived”; empty without a change."""
    trend = rule.trend
    counts = (
        (trend.new if trend else 0, "new"),
        (trend.resolved if trend and with_resolved else 0, "resolved"),
        (rule.waived, "waived"),
    )
    return ", ".join(f"{count} {word}" for count, word in counts if count)


def show_verification(verification: Verification, before: Assessment | None = None) -> None:
    """Show the assessment and the proof."""
    show_assessment(verification.assessment, before)
    if verification.proof is not None:
        _show_proof(verification.proof)
    if verification.migration is not None:
        _show_migration_proof(verification.migration)
    for regret in verification.regrets[:SKIPS_SHOWN]:
        write(
            f"[yellow]regret:[/] {escape(regret.session_id)} was closed at {instant(regret.closed_at)}, and"
            f" its agent {escape(regret.agent_id)} showed life afterwards: {escape(regret.sign)}",
            soft_wrap=True,
        )
    if verification.newly_due:
        write(
            f"  {verification.newly_due} sessions became due during the run:"
            f" {keys_of(verification.newly_due_keys)}"
        )


def _show_proof(proof: Proof) -> None:
    mark = symbol("✓", "ok") if proof.holds else symbol("✗", "!!")
    write(
        f"{mark} proof: {proof.planned} planned = {proof.changed} changed + {proof.skipped} left alone;"
        f" other columns changed: {proof.other_columns_changed}; rows missing: {proof.rows_missing}",
        soft_wrap=True,
    )
    for column, count in proof.other_columns.items():
        if not proof.other_columns_changed:
            write(f"  the application itself wrote {escape(column)} in {count} of them.")
    if proof.images is not None and not proof.images.holds:
        write(f"  {escape(images_sentence(proof.images))}", soft_wrap=True)
    if proof.written_otherwise:
        write(f"  a trigger of the application wrote something else in {proof.written_otherwise}.")
    if proof.changed_since:
        write(f"  {proof.changed_since} of them were changed again by the application since.")


def _show_migration_proof(migration: MigrationProof) -> None:
    write(f"migration {escape(migration.run_id)}, {instant(migration.before_at)}:")
    show_catalog(migration.catalog)
    if not migration.is_complete:
        write("  it did not end by itself: what was before it is compared with what is now.")
    for difference in migration.changed_since[:SKIPS_SHOWN]:
        write(f"  changed since: {escape(difference)}", soft_wrap=True)
