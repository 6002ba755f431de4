"""Output of a simulation."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.markup import escape
from rich.padding import Padding

from rollcall.console.terminal import (
    SKIPS_SHOWN,
    symbol,
    table_of,
    write,
)

if TYPE_CHECKING:
    from rollcall.sandbox.simulator.report import Report


__all__ = ["show_progress_of_simulation", "show_simulation"]


def show_progress_of_simulation(text: str) -> None:
    """Show what the simulation does."""
    write(f"  {symbol('·', '-')} {escape(text)}", soft_wrap=True)


def show_simulation(report: Report) -> None:
    """Show the speed, the events, and whether every change and every omission was right."""
    table = table_of("statement")
    for heading in ("count", "p50 ms", "p99 ms", "max ms"):
        table.add_column(heading, justify="right")
    for kind, timings in sorted(report.timings.items()):
        quantiles = (timings.quantile(share) * 1000 for share in (0.5, 0.99, 1.0))
        table.add_row(kind, f"{len(timings.seconds):,}", *(f"{value:,.1f}" for value in quantiles))
    write(table)
    write(
        f"{report.agents} agents, seed {report.seed}, {report.speed:g} times the speed:"
        f" {report.statements:,} statements in {report.seconds:.0f} s,"
        f" {report.statements / max(report.seconds, 0.001):,.0f} a second"
    )
    write(", ".join(f"{count:,} {what}" for what, count in report.floor.items()))
    _show_failures_of_simulation(report)
    judgement = report.judgement
    closed = f"{judgement.closed_dead} abandoned sessions closed"
    if judgement.closed_dead:
        delay, exposure = max(judgement.delays), max(judgement.exposures)
        closed += f", the last {delay:.1f} s after it was due (without a live call: {exposure:.1f} s at most)"
    write(
        f"{report.clean_ups.recorded} clean-ups: {closed}; {judgement.mended} mended;"
        f" {judgement.not_yet_due} not due yet"
    )
    if judgement.unproven:
        write(
            f"[yellow]{len(judgement.unproven)} closed with present agents, whose signs of life this"
            " overloaded machine wrote too late: not counted"
        )
    for findings, words in (
        (report.wronged, "changed under a living agent or a live call"),
        (report.left_open, "abandoned and left open after the window"),
        (report.misrouted, "routable against the truth"),
    ):
        mark = f"[red]{symbol('✗', '!!')}" if findings else f"[green]{symbol('✓', 'ok')}"
        write(f"{mark}[/] {len(findings) or 'no'} session{'s' * (len(findings) > 1)} {words}")
        for finding in findings[:SKIPS_SHOWN]:
            write(Padding(f"{escape(finding.session)}: {finding.what}", (0, 0, 0, 4)))
            write(Padding(f"[dim]{escape(finding.detail)}", (0, 0, 0, 6)))
    if not report.holds:
        write("[dim]--json has all of them, each with its history")


def _show_failures_of_simulation(report: Report) -> None:
    if report.failures:
        first = report.failures[0]
        write(
            f"[red]{len(report.failures)} statements failed[/], the first ({first.kind}):"
            f" {escape(first.message)}"
        )
    if report.interruptions:
        write(f"{report.interruptions} statements sent again: their connections were lost")
    clean_ups = report.clean_ups
    if clean_ups.kills:
        write(f"the clean-up was killed {clean_ups.kills} times")
    for text, count in clean_ups.errors.items():
        write(f"[yellow]clean-up failed[/] {count} times: {escape(text)}")
