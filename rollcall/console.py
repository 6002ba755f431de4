"""What a person sees in a terminal: 80 columns suffice, and colours and symbols degrade.

One console for the process: standard output, or standard error when the output is for a program.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.markup import escape
from rich.padding import Padding
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from rollcall.batches import Watcher
from rollcall.report.text import printable
from rollcall.report.words import (
    BREAKER_TITLE,
    breaker_sentences,
    history_sentence,
    images_sentence,
    rule_page,
    sample_columns,
    sample_title,
    sample_value,
    table_sentence,
)
from rollcall.rules.results import Assessment, Check, RuleResult, Severity, TrippedBreaker
from rollcall.rules.verdict import HEADLINES, PASS

if TYPE_CHECKING:
    from rollcall.clean.cleaning import CleaningResult
    from rollcall.detach import Detachment
    from rollcall.doctor.diagnosis import Diagnosis
    from rollcall.doctor.grants import Grant
    from rollcall.flags import Flag
    from rollcall.migrate.catalog_state import CatalogueProof
    from rollcall.migrate.migration import MigrationResult
    from rollcall.plan.pending_work import Plan
    from rollcall.simulator.report import Report
    from rollcall.undo import UndoResult
    from rollcall.verify import Verification

__all__ = [
    "confirm",
    "progress",
    "show_assessment",
    "show_clean_role",
    "show_cleaning",
    "show_detachment",
    "show_diagnosis",
    "show_error",
    "show_flags",
    "show_grants",
    "show_history",
    "show_migration",
    "show_plan",
    "show_progress_of_simulation",
    "show_report",
    "show_simulation",
    "show_statement",
    "show_tripped_breaker",
    "show_undo",
    "show_verification",
    "step",
    "use_stderr",
]

WIDTH_WITHOUT_TERMINAL = 80
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
REMEDY_WORDS = {
    "close": "abandoned sessions to close",
    "reset_status": "statuses to reset",
    "clear_reference": "call references to clear",
}
SKIPS_SHOWN = 5
OCCURRENCES_SHOWN = 10


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else WIDTH_WITHOUT_TERMINAL
    return Console(stderr=stderr, width=width, highlight=False, soft_wrap=False)


_out = _console(stderr=False)


def use_stderr() -> None:
    """Show everything on standard error: standard output is for a program."""
    global _out
    _out = _console(stderr=True)


def symbol(good: str, plain: str) -> str:
    """A symbol, or its plain form where the output cannot show it."""
    encoding = _out.encoding or "ascii"
    try:
        good.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return plain
    return good


def step(name: str) -> None:
    """Announce a step."""
    _out.print()
    _out.rule(f"[bold]{name}", align="left", characters=symbol("─", "-"))


def confirm(question: str) -> bool:
    """Ask the person at the terminal; anything but yes is no."""
    return _out.input(f"[bold]{question}[/] \\[y/N] ").strip().lower() in ("y", "yes")


def show_error(text: str) -> None:
    """One line on standard error."""
    print(f"rollcall: {text}", file=sys.stderr)


def show_assessment(assessment: Assessment, before: Assessment | None = None) -> None:
    """The verdict, the checks, and every rule with its exact count.

    Args:
        before: the judgement to compare with: its counts are shown beside.
    """
    if assessment.breaker is not None:
        show_tripped_breaker(assessment.breaker)
    emoji, headline = HEADLINES[assessment.verdict]
    _out.print(f"{symbol(emoji, '*')} [bold]{headline}[/]")
    _out.print(
        f"[dim]{escape(assessment.database)}, PostgreSQL {assessment.server_version.split(' ')[0]},"
        f" judged {_instant(assessment.judged_at)}, cut-off {assessment.cutoff:%H:%M:%S}"
    )
    _out.print()
    checks = _table()
    for check, value in assessment.checks.items():
        colour = "green" if value == PASS else "red"
        mark = symbol("✓", "ok") if value == PASS else symbol("✗", "!!")
        checks.add_row(f"[{colour}]{mark}", CHECK_WORDS[check], f"[{colour}]{value}")
    _out.print(checks)
    _show_rules(assessment, before)
    if assessment.history is not None:
        _out.print(f"[dim]{escape(history_sentence(assessment.history))}")
    for warning in assessment.warnings[1 if assessment.breaker else 0 :]:
        _out.print(f"[yellow]warning:[/] {escape(warning)}")
    _out.print(
        f"pending: {assessment.pending_statements} statements, {assessment.pending_changes} session changes"
    )


def show_tripped_breaker(breaker: TrippedBreaker) -> None:
    """What the breaker saw and what to check, before anything else."""
    _out.print(f"[bold red]{symbol('🛑', '!!')} {BREAKER_TITLE}[/]")
    for sentence in breaker_sentences(breaker):
        _out.print(escape(sentence.replace("`", "'")))
    _out.print()


def _show_rules(assessment: Assessment, before: Assessment | None) -> None:
    """The violated rules in a table, the others by name: every count is there."""
    counts_before = {rule.name: rule.violations for rule in before.rules} if before else {}
    shown = [rule for rule in assessment.rules if rule.violations or counts_before.get(rule.name)]
    shown.sort(key=lambda rule: list(Severity).index(rule.severity))
    if shown:
        _out.print()
        table = _table("violated rule", "severity")
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
        _out.print(table)
        if any(rule_page(rule) for rule in shown):
            _out.print("[dim]each rule is explained in docs/rules/[/]")
        for rule in shown:
            _show_samples(rule)
    clean = [rule.name for rule in assessment.rules if rule not in shown]
    if clean:
        _out.print(f"\n[dim]no violation of: {', '.join(clean)}[/]\n")


def _show_samples(rule: RuleResult) -> None:
    """What the application's tables say of some keys, where it was asked for."""
    if not rule.samples:
        return
    columns = sample_columns(rule)
    _out.print(f"\n[bold]{rule.name}[/], {len(rule.samples)} of {rule.failing}; times are UTC")
    for sample in rule.samples:
        values = (
            f"{sample_title(column).lower()} {printable(sample_value(column, sample.values[column]))}"
            for column in columns
            if sample.values[column] is not None
        )
        _out.print(f"  {escape(printable(sample.key))}", soft_wrap=True)
        _out.print(Padding(f"[dim]{escape(', '.join(values))}", (0, 0, 0, 4)))


def _since_last(rule: RuleResult, *, with_resolved: bool) -> str:
    """Like “3 new, 2 resolved, 1 waived”; nothing where nothing moved."""
    trend = rule.trend
    counts = (
        (trend.new if trend else 0, "new"),
        (trend.resolved if trend and with_resolved else 0, "resolved"),
        (rule.waived, "waived"),
    )
    return ", ".join(f"{count} {word}" for count, word in counts if count)


def show_demo(agents: int, sessions: int, calls: int, url: str) -> None:
    """What was loaded, and how to look at it."""
    _out.print(f"{agents:,} agents, {sessions:,} sessions and {calls:,} calls loaded, damaged in known ways.")
    _out.print(f"look at it: psql '{escape(url)}'", soft_wrap=True)


def show_plan(plan: Plan) -> None:
    """What would be done: each statement with its lock, the changes by remedy."""
    if plan.is_empty:
        _out.print("Nothing is left to be done.")
        return
    for lock in dict.fromkeys(statement.lock for statement in plan.statements):
        names = [item.object_name for item in plan.statements if item.lock == lock]
        _out.print(f"{len(names):>8} statements; lock:")
        _out.print(Padding(escape(lock), (0, 0, 0, 9)))
        _out.print(Padding(f"[dim]{escape(', '.join(names))}", (0, 0, 0, 9)))
    for warning in dict.fromkeys(item.warning for item in plan.statements if item.warning):
        _out.print(f"[yellow]warning:[/] {escape(warning)}", soft_wrap=True)
    for remedy, words in REMEDY_WORDS.items():
        if plan.by_remedy[remedy]:
            _out.print(f"{plan.by_remedy[remedy]:>8} {words}")
    _out.print(f"plan {plan.hash[:16]}, judged at {_instant(plan.judged_at)}")


def show_statement(object_name: str) -> None:
    """A statement is about to be sent."""
    _out.print(f"  {symbol('·', '-')} {escape(object_name)}", soft_wrap=True)


def show_migration(result: MigrationResult) -> None:
    """What was executed, and what was not and why."""
    if not result.executed and not result.skipped:
        _out.print("Nothing to migrate.")
        return
    _out.print(f"{len(result.executed)} objects made.")
    for skip in result.skipped:
        _out.print(
            f"[yellow]not made:[/] {escape(skip['object'])}: {escape(skip['reason'])}",
            soft_wrap=True,
        )
    if result.proof is not None:
        _show_catalogue(result.proof)


def _show_catalogue(proof: CatalogueProof) -> None:
    mark = symbol("✓", "ok") if proof.holds else symbol("✗", "!!")
    _out.print(
        f"{mark} proof: of the application's tables {len(proof.added)} declared objects were added,"
        f" {proof.identical} are exactly as before",
        soft_wrap=True,
    )
    for difference in proof.unexpected[:SKIPS_SHOWN]:
        _out.print(f"[red]not declared:[/] {escape(difference)}", soft_wrap=True)
    if len(proof.unexpected) > SKIPS_SHOWN:
        _out.print(f"  and {len(proof.unexpected) - SKIPS_SHOWN} more; --json shows more")
    for table in proof.tables:
        _out.print(f"  {escape(table_sentence(table))}.", soft_wrap=True)


def show_detachment(result: Detachment) -> None:
    """What was dropped, what stayed and why, and which grants went with it."""
    if not result.dropped:
        _out.print("Nothing to detach.")
    for name in result.dropped:
        _out.print(f"  {symbol('·', '-')} {escape(name)} dropped", soft_wrap=True)
    for kept in result.kept:
        _out.print(f"kept: {escape(kept['object'])}: {escape(kept['reason'])}", soft_wrap=True)
    if result.grants:
        _out.print("Others had these privileges; grant them again once the views are back:")
        for grant in result.grants:
            _out.print(f"  {escape(grant)};", soft_wrap=True)


def show_clean_role(role: str | None) -> None:
    """Say so where nothing but Rollcall itself keeps a clean-up from doing more than it may."""
    if role is None:
        _out.print(
            "No ROLLCALL_CLEAN_ROLE is set: this works with all rights of the login role "
            "(`rollcall doctor --grants` prints the statements that make one with just enough).",
            soft_wrap=True,
        )


def show_cleaning(result: CleaningResult) -> None:
    """How many sessions were repaired, and which were left alone and why."""
    if not result.planned:
        _out.print("Nothing to clean.")
        return
    _out.print(f"{result.changed} of {result.planned} planned sessions repaired (run {result.run_id}).")
    for skip in result.skipped[:SKIPS_SHOWN]:
        _out.print(
            f"[yellow]left alone:[/] {escape(skip['session_id'])}: {escape(skip['reason'])}",
            soft_wrap=True,
        )
    if len(result.skipped) > SKIPS_SHOWN:
        _out.print(
            f"  and {len(result.skipped) - SKIPS_SHOWN} more, see `rollcall verify --run {result.run_id}`"
        )


def show_undo(result: UndoResult) -> None:
    """How many sessions were restored, and which were not and why."""
    done = "would be restored" if result.dry_run else f"restored (run {result.run_id})"
    _out.print(f"{result.changed} of {result.planned} sessions of run {escape(result.undoes)} {done}.")
    for column, count in result.not_restored.items():
        _out.print(f"[yellow]not restored:[/] {escape(column)} in {count}: the application writes it itself")
    for conflict in result.conflicts[:SKIPS_SHOWN]:
        _out.print(
            f"[yellow]left alone:[/] {escape(conflict['session_id'])}: {escape(conflict['reason'])}",
            soft_wrap=True,
        )
    if len(result.conflicts) > SKIPS_SHOWN:
        _out.print(f"  and {len(result.conflicts) - SKIPS_SHOWN} more; --json lists them all")


def show_verification(verification: Verification, before: Assessment | None = None) -> None:
    """The judgement, and what is proven."""
    show_assessment(verification.assessment, before)
    proof = verification.proof
    if proof is not None:
        mark = symbol("✓", "ok") if proof.holds else symbol("✗", "!!")
        _out.print(
            f"{mark} proof: {proof.planned} planned = {proof.changed} changed + {proof.skipped} left alone;"
            f" other columns changed: {proof.other_columns_changed}; rows missing: {proof.rows_missing}",
            soft_wrap=True,
        )
        for column, count in proof.other_columns.items():
            if not proof.other_columns_changed:
                _out.print(f"  the application itself wrote {escape(column)} in {count} of them.")
        if proof.images is not None and not proof.images.holds:
            _out.print(f"  {escape(images_sentence(proof.images))}", soft_wrap=True)
        if proof.written_otherwise:
            _out.print(f"  a trigger of the application wrote something else in {proof.written_otherwise}.")
        if proof.changed_since:
            _out.print(f"  {proof.changed_since} of them were changed again by the application since.")
    migration = verification.migration
    if migration is not None:
        _out.print(f"migration {escape(migration.run_id)}, {_instant(migration.before_at)}:")
        _show_catalogue(migration.catalogue)
        if not migration.is_complete:
            _out.print("  it did not end by itself: what was before it is compared with what is now.")
        for difference in migration.changed_since[:SKIPS_SHOWN]:
            _out.print(f"  changed since: {escape(difference)}", soft_wrap=True)
    for regret in verification.regrets[:SKIPS_SHOWN]:
        _out.print(
            f"[yellow]regret:[/] {escape(regret.session_id)} was closed at {_instant(regret.closed_at)}, and"
            f" its agent {escape(regret.agent_id)} showed life afterwards: {escape(regret.sign)}",
            soft_wrap=True,
        )
    if verification.newly_due:
        _out.print(
            f"  {verification.newly_due} sessions became due meanwhile: {_keys(verification.newly_due_keys)}"
        )


def show_report(path: Path) -> None:
    """Where the report is."""
    _out.print(f"report: {escape(str(path))}", soft_wrap=True)


def show_history(runs: Sequence[dict[str, Any]]) -> None:
    """Past runs, newest first."""
    if not runs:
        _out.print("No run is recorded yet.")
        return
    table = _table("run", "command", "verdict", "changed", "new", "resolved", "ended")
    for run in runs:
        ended = _ended(run)
        moved = [sum(rule[name] or 0 for rule in run["rules"]) for name in ("new", "resolved")]
        cells = (run["run_id"], run["command"], run["verdict"] or "", run["changed"] or 0, *moved, ended)
        table.add_row(*(escape(str(cell)) for cell in cells))
    _out.print(table)
    for run in runs:
        if run["command"] == "flags":
            _out.print(f"{run['run_id']}  {escape(printable(run['approved_by'] or ''))}", soft_wrap=True)


def _ended(run: dict[str, Any]) -> str:
    """How a recorded run ended, in a word."""
    if run["failure"]:
        return "breaker" if run["failure"].startswith("BreakerTripped:") else "failed"
    return "yes" if run["finished_at"] else "killed"


def show_flags(flags: Sequence[Flag]) -> None:
    """Each flag, whether it is on, and what it means."""
    table = _table("flag", "", "meaning")
    for flag in flags:
        table.add_row(flag.name, "on" if flag.is_on else "off", flag.meaning)
    _out.print(table)


def show_diagnosis(diagnosis: Diagnosis) -> None:
    """Each finding: what was found, what would go wrong, what to do."""
    for finding in diagnosis.findings:
        kind = finding.kind
        mark = symbol("✗", "!!") if finding.is_blocking else symbol("•", "-")
        _out.print(f"[{COLOURS[kind.severity]}]{mark} {kind.severity.value}[/]  [bold]{finding.name}[/]")
        for label, lines in (
            ("found", finding.found[:OCCURRENCES_SHOWN]),
            ("", _rest(finding.found)),
            ("risk", [kind.consequence]),
            ("do", [kind.remedy]),
        ):
            for line in lines:
                _out.print(Padding(_labelled(label, line), (0, 0, 0, 4)))
        for statement in finding.statements:
            _out.print(Padding(escape(f"{statement};"), (0, 0, 0, 11)), soft_wrap=True)
        _out.print()
    version = diagnosis.server_version.split(" ")[0]
    where = escape(f"({diagnosis.database}, PostgreSQL {version})")
    if diagnosis.is_blocked:
        _out.print(f"[bold red]A run must not go on here as long as something blocks it[/]  {where}")
    elif diagnosis.findings:
        _out.print(f"[bold]Nothing blocks a run[/]  {where}")
    else:
        _out.print(f"[bold green]Nothing stands in the way[/]  {where}")


def show_grants(grants: Sequence[Grant]) -> None:
    """The statements, ready to be piped into psql."""
    section = None
    for grant in grants:
        if grant.section != section:
            section = grant.section
            _print_plain(f"-- {section}")
        _print_plain(f"{grant.statement};")


def show_progress_of_simulation(text: str) -> None:
    """What the simulation does now."""
    _out.print(f"  {symbol('·', '-')} {escape(text)}", soft_wrap=True)


def show_simulation(report: Report) -> None:
    """Speed, what happened, and whether every change and every omission was right."""
    table = _table("statement")
    for heading in ("count", "p50 ms", "p99 ms", "max ms"):
        table.add_column(heading, justify="right")
    for kind, timings in sorted(report.timings.items()):
        quantiles = (timings.quantile(share) * 1000 for share in (0.5, 0.99, 1.0))
        table.add_row(kind, f"{len(timings.seconds):,}", *(f"{value:,.1f}" for value in quantiles))
    _out.print(table)
    _out.print(
        f"{report.agents} agents, seed {report.seed}, {report.speed:g} times the speed:"
        f" {report.statements:,} statements in {report.seconds:.0f} s,"
        f" {report.statements / max(report.seconds, 0.001):,.0f} a second"
    )
    _out.print(", ".join(f"{count:,} {what}" for what, count in report.floor.items()))
    _show_failures_of_simulation(report)
    judgement = report.judgement
    closed = f"{judgement.closed_dead} abandoned sessions closed"
    if judgement.closed_dead:
        delay, exposure = max(judgement.delays), max(judgement.exposures)
        closed += f", the last {delay:.1f} s after it was due (without a live call: {exposure:.1f} s at most)"
    _out.print(
        f"{report.clean_ups.recorded} clean-ups: {closed}; {judgement.mended} mended;"
        f" {judgement.not_yet_due} not due yet"
    )
    if judgement.unproven:
        _out.print(
            f"[yellow]{len(judgement.unproven)} closed whose agents were there, but whose signs of life this"
            " overloaded machine wrote too late: not counted"
        )
    for findings, words in (
        (report.wronged, "changed under a living agent or a live call"),
        (report.left_open, "abandoned and left open after the window"),
    ):
        mark = f"[red]{symbol('✗', '!!')}" if findings else f"[green]{symbol('✓', 'ok')}"
        _out.print(f"{mark}[/] {len(findings) or 'no'} session{'s' * (len(findings) > 1)} {words}")
        for finding in findings[:SKIPS_SHOWN]:
            _out.print(Padding(f"{escape(finding.session)}: {finding.what}", (0, 0, 0, 4)))
            _out.print(Padding(f"[dim]{escape(finding.detail)}", (0, 0, 0, 6)))
    if not report.holds:
        _out.print("[dim]--json has all of them, each with its history")


def _show_failures_of_simulation(report: Report) -> None:
    if report.failures:
        first = report.failures[0]
        _out.print(
            f"[red]{len(report.failures)} statements failed[/], the first ({first.kind}):"
            f" {escape(first.message)}"
        )
    if report.interruptions:
        _out.print(f"{report.interruptions} statements sent again: their connections were lost")
    clean_ups = report.clean_ups
    if clean_ups.kills:
        _out.print(f"the clean-up was killed {clean_ups.kills} times")
    for text, count in clean_ups.errors.items():
        _out.print(f"[yellow]clean-up failed[/] {count} times: {escape(text)}")


@contextlib.contextmanager
def progress(unit: str) -> Iterator[Watcher]:
    """A bar with rate and time left; says beside it why the work waits, when it does."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=_out, transient=True) as bar:
        yield _BarWatcher(bar, unit)


class _BarWatcher(Watcher):
    def __init__(self, bar: Progress, unit: str) -> None:
        self._bar = bar
        self._unit = unit
        self._task = bar.add_task(unit, total=None, rate="")
        self._reason: str | None = None

    def advanced(self, done: int, total: int) -> None:
        speed = self._bar.tasks[self._task].speed
        rate = f"{speed:,.0f}/s" if speed else ""
        self._bar.update(self._task, completed=done, total=total, rate=rate)

    def held(self, reason: str | None) -> None:
        if reason == self._reason:
            return
        self._reason = reason
        text = f"waiting: {reason}" if reason else "going on"
        self._bar.console.print(f"[yellow]{escape(text)}", soft_wrap=True)


def _labelled(label: str, text: str) -> Table:
    """A label of fixed width beside a text that wraps."""
    row = Table.grid(padding=(0, 2, 0, 0))
    row.add_column(width=5, style="dim")
    row.add_column(overflow="fold")
    row.add_row(label, escape(text))
    return row


def _rest(lines: Sequence[str]) -> list[str]:
    left = len(lines) - OCCURRENCES_SHOWN
    return [f"and {left} more, see --json"] if left > 0 else []


def _print_plain(line: str) -> None:
    """Nothing added and no line broken: the output is for a program."""
    _out.print(line, markup=False, soft_wrap=True)


def _table(*headings: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim", show_header=bool(headings))
    for heading in headings:
        table.add_column(heading, overflow="fold")
    return table


def _keys(keys: Sequence[str]) -> str:
    return escape(", ".join(keys))


def _instant(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
