"""Output of the steps that change something."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.markup import escape
from rich.padding import Padding

from rollcall.console.terminal import (
    SKIPS_SHOWN,
    instant,
    symbol,
    write,
)
from rollcall.report.words_of_changes import (
    table_sentence,
)

if TYPE_CHECKING:
    from rollcall.ledger.intervals import Build
    from rollcall.ledger.presence import Look
    from rollcall.steps.clean.cleaning import CleaningResult
    from rollcall.steps.detach import Detachment
    from rollcall.steps.migrate.catalog_state import CatalogProof
    from rollcall.steps.migrate.migration import MigrationResult
    from rollcall.steps.plan.pending_work import Plan
    from rollcall.steps.undo import UndoResult


__all__ = [
    "show_build",
    "show_clean_role",
    "show_cleaning",
    "show_detachment",
    "show_export",
    "show_files_of_plan",
    "show_look",
    "show_migration",
    "show_plan",
    "show_statement",
    "show_undo",
]

REMEDY_WORDS = {
    "close": "abandoned sessions to close",
    "reset_status": "statuses to reset",
    "clear_reference": "call references to clear",
}


def show_plan(plan: Plan) -> None:
    """Show the pending work: each statement with its lock, and the changes by remedy."""
    if plan.is_empty:
        write("Nothing is left to be done.")
        return
    for lock in dict.fromkeys(statement.lock for statement in plan.statements):
        names = [item.object_name for item in plan.statements if item.lock == lock]
        write(f"{len(names):>8} statements; lock:")
        write(Padding(escape(lock), (0, 0, 0, 9)))
        write(Padding(f"[dim]{escape(', '.join(names))}", (0, 0, 0, 9)))
    for warning in dict.fromkeys(item.warning for item in plan.statements if item.warning):
        write(f"[yellow]warning:[/] {escape(warning)}", soft_wrap=True)
    for remedy, words in REMEDY_WORDS.items():
        if plan.by_remedy[remedy]:
            write(f"{plan.by_remedy[remedy]:>8} {words}")
    write(f"plan {plan.hash[:16]}, judged at {instant(plan.judged_at)}")


def show_files_of_plan(plan: Plan, out: Path | None, sql: Path | None) -> None:
    """Show where each statement and each row change can be read."""
    for path, words in ((out, "plan"), (sql, "script for psql")):
        if path is not None:
            write(f"{words} written: {escape(str(path))}", soft_wrap=True)
    if out is None and not plan.is_empty:
        write("each statement and each row: `rollcall plan --json`, or `--out FILE` to approve them")


def show_export(files: Sequence[Path]) -> None:
    """Show the files of an export; the first one is the guide."""
    if files:
        write(f"{len(files)} files written; the steps are in {escape(str(files[0]))}", soft_wrap=True)


def show_statement(object_name: str) -> None:
    """Show a statement that is about to be executed."""
    write(f"  {symbol('·', '-')} {escape(object_name)}", soft_wrap=True)


def show_migration(result: MigrationResult) -> None:
    """Show the executed statements, and the skipped ones with their reasons."""
    if not result.executed and not result.skipped:
        write("Nothing to migrate.")
        return
    write(f"{len(result.executed)} objects made.")
    for skip in result.skipped:
        write(
            f"[yellow]not made:[/] {escape(skip['object'])}: {escape(skip['reason'])}",
            soft_wrap=True,
        )
    if result.proof is not None:
        show_catalog(result.proof)


def show_catalog(proof: CatalogProof) -> None:
    mark = symbol("✓", "ok") if proof.holds else symbol("✗", "!!")
    write(
        f"{mark} proof: of the application's tables {len(proof.added)} declared objects were added,"
        f" {proof.identical} are exactly as before",
        soft_wrap=True,
    )
    for difference in proof.unexpected[:SKIPS_SHOWN]:
        write(f"[red]not declared:[/] {escape(difference)}", soft_wrap=True)
    if len(proof.unexpected) > SKIPS_SHOWN:
        write(f"  and {len(proof.unexpected) - SKIPS_SHOWN} more; --json shows more")
    for table in proof.tables:
        write(f"  {escape(table_sentence(table))}.", soft_wrap=True)


def show_detachment(result: Detachment) -> None:
    """Show the dropped objects, the kept ones with reasons, and the lost grants."""
    if not result.dropped:
        write("Nothing to detach.")
    for name in result.dropped:
        write(f"  {symbol('·', '-')} {escape(name)} dropped", soft_wrap=True)
    for kept in result.kept:
        write(f"kept: {escape(kept['object'])}: {escape(kept['reason'])}", soft_wrap=True)
    if result.grants:
        write("Others had these privileges; grant them again once the views are back:")
        for grant in result.grants:
            write(f"  {escape(grant)};", soft_wrap=True)


def show_clean_role(role: str | None) -> None:
    """Warn where the clean-up role has more rights than a clean-up needs."""
    if role is None:
        write(
            "No ROLLCALL_CLEAN_ROLE is set: this works with all rights of the login role "
            "(`rollcall doctor --grants` prints the statements that make one with just enough).",
            soft_wrap=True,
        )


def show_look(look: Look) -> None:
    """Show what a look at the open sessions recorded, or why it recorded nothing."""
    if look.left_out:
        write(f"Presence was not recorded: {escape(look.left_out)}", soft_wrap=True)
    else:
        write(
            f"Presence of {look.open_sessions:,} open sessions recorded: {look.ended:,} intervals ended, "
            f"{look.begun:,} began.",
            soft_wrap=True,
        )


def show_build(result: Build) -> None:
    """Show which days a build built, or why it built nothing."""
    if result.left_out:
        write(f"The analysts' tables were not built: {escape(result.left_out)}", soft_wrap=True)
    elif result.first_day is None:
        write("Nothing to build: there is no call, and no unattended run has looked at the sessions.")
    else:
        write(
            f"Built {result.days:,} days from {result.first_day} to {result.last_day}: "
            f"{result.agent_intervals:,} intervals of agents.",
            soft_wrap=True,
        )
        if result.kept_days:
            write(
                f"{result.kept_days:,} days were kept as they were, because calls or looks of them are gone.",
                soft_wrap=True,
            )


def show_cleaning(result: CleaningResult) -> None:
    """Show the number of repaired sessions, and the skipped ones by reason."""
    if not result.planned:
        write("Nothing to clean.")
        return
    write(f"{result.changed} of {result.planned} planned sessions repaired (run {result.run_id}).")
    for skip in result.skipped[:SKIPS_SHOWN]:
        write(
            f"[yellow]left alone:[/] {escape(skip['session_id'])}: {escape(skip['reason'])}",
            soft_wrap=True,
        )
    if len(result.skipped) > SKIPS_SHOWN:
        write(f"  and {len(result.skipped) - SKIPS_SHOWN} more, see `rollcall verify --run {result.run_id}`")


def show_undo(result: UndoResult) -> None:
    """Show the number of restored sessions, and the conflicts by reason."""
    done = "would be restored" if result.dry_run else f"restored (run {result.run_id})"
    write(f"{result.changed} of {result.planned} sessions of run {escape(result.undoes)} {done}.")
    for column, count in result.not_restored.items():
        write(f"[yellow]not restored:[/] {escape(column)} in {count}: the application writes it itself")
    for conflict in result.conflicts[:SKIPS_SHOWN]:
        write(
            f"[yellow]left alone:[/] {escape(conflict['session_id'])}: {escape(conflict['reason'])}",
            soft_wrap=True,
        )
    if len(result.conflicts) > SKIPS_SHOWN:
        write(f"  and {len(result.conflicts) - SKIPS_SHOWN} more; --json lists them all")
