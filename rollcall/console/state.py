"""Output of doctor, history, flags, rules, the demo and a report."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.markup import escape
from rich.padding import Padding

from rollcall.console.assessment import COLOURS
from rollcall.console.terminal import (
    HOW_TO_EXPLAIN,
    OCCURRENCES_SHOWN,
    labelled,
    print_plain,
    rest,
    symbol,
    table_of,
    write,
)
from rollcall.report.text import printable
from rollcall.report.words import rule_title

if TYPE_CHECKING:
    from rollcall.rules.catalogue import DescribedRule
    from rollcall.settings.configuration import Settings
    from rollcall.steps.doctor.diagnosis import Diagnosis
    from rollcall.steps.doctor.grants import Grant
    from rollcall.steps.flags import Flag


__all__ = [
    "show_configuration",
    "show_demo",
    "show_diagnosis",
    "show_flags",
    "show_grants",
    "show_history",
    "show_proposal",
    "show_report",
    "show_rule",
    "show_rules",
    "show_what_to_decide",
]


def show_demo(agents: int, sessions: int, calls: int, url: str, data: Path) -> None:
    """Show what was loaded, how to query it, and how to stop the server in the folder `data`."""
    write(f"{agents:,} agents, {sessions:,} sessions and {calls:,} calls loaded, damaged in known ways.")
    write(f"look at it: psql '{escape(url)}'", soft_wrap=True)
    process = escape(shlex.quote(str(data / "postmaster.pid")))
    write(f"stop it: kill -INT $(head -1 {process})", soft_wrap=True)


def show_report(path: Path) -> None:
    """Show the location of the report."""
    write(f"report: {escape(str(path))}", soft_wrap=True)


def show_proposal(file: str, preset: str | None, guessed: int, to_decide: int) -> None:
    """Show what `init` wrote, and what a person must look at."""
    if preset is not None:
        write(f"{escape(file)} written: the database fits the preset {escape(preset)}.", soft_wrap=True)
        return
    write(
        f"{escape(file)} written: {guessed} values are guessed, and {to_decide} are for a person to decide.",
        soft_wrap=True,
    )


def show_what_to_decide(file: str) -> None:
    """Show what comes after a proposal that a person must complete."""
    write(
        f"next: Set each line of {escape(file)} with DECIDE and remove its #, then `rollcall assess`.",
        soft_wrap=True,
    )


def show_history(runs: Sequence[dict[str, Any]]) -> None:
    """Show the past runs, newest first."""
    if not runs:
        write("No run is recorded yet.")
        return
    table = table_of("run", "command", "verdict", "changed", "new", "resolved", "ended", whole=("run",))
    for run in runs:
        ended = _ended(run)
        moved = [sum(rule[name] or 0 for rule in run["rules"]) for name in ("new", "resolved")]
        cells = (run["run_id"], run["command"], run["verdict"] or "", run["changed"] or 0, *moved, ended)
        table.add_row(*(escape(str(cell)) for cell in cells))
    write(table)
    for run in runs:
        if run["command"] == "flags":
            write(f"{run['run_id']}  {escape(printable(run['approved_by'] or ''))}", soft_wrap=True)


def _ended(run: dict[str, Any]) -> str:
    """The end of a recorded run in one word."""
    if run["failure"]:
        return "breaker" if run["failure"].startswith("BreakerTripped:") else "failed"
    return "yes" if run["finished_at"] else "killed"


def show_flags(flags: Sequence[Flag]) -> None:
    """Show each flag, its state and its meaning."""
    table = table_of("flag", "", "meaning")
    for flag in flags:
        table.add_row(flag.name, "on" if flag.is_on else "off", flag.meaning)
    write(table)


def show_rules(rules: Sequence[DescribedRule]) -> None:
    """Show each rule with its severity and its check."""
    table = table_of("rule", "severity", "check")
    for rule in (described.rule for described in rules):
        severity = f"[{COLOURS[rule.severity]}]{rule.severity.value}"
        table.add_row(escape(rule.name), severity, rule.check.value)
    write(table)
    write(f"\n[dim]{HOW_TO_EXPLAIN}[/]")


def show_rule(described: DescribedRule) -> None:
    """Show all that is written about one rule."""
    rule = described.rule
    tolerated = f", tolerates {rule.tolerance}" if rule.tolerance else ""
    write(f"[bold]{escape(rule_title(rule.name))}[/] ({escape(rule.name)})")
    write(
        f"[{COLOURS[rule.severity]}]{rule.severity.value}[/], check {rule.check.value},"
        f" counts {escape(rule.unit)}{tolerated}"
    )
    for label, text in (
        ("What it means", described.meaning),
        ("Why it matters", rule.reason),
        ("What to do", rule.remedy),
    ):
        if text:
            write(f"\n[bold]{label}[/]\n{escape(text)}")
    if described.predicate:
        write("\n[bold]The predicate[/]")
        print_plain(described.predicate)


def show_diagnosis(diagnosis: Diagnosis) -> None:
    """Show each finding with its consequence and its remedy."""
    for finding in diagnosis.findings:
        kind = finding.kind
        mark = symbol("✗", "!!") if finding.is_blocking else symbol("•", "-")
        write(f"[{COLOURS[kind.severity]}]{mark} {kind.severity.value}[/]  [bold]{finding.name}[/]")
        for label, lines in (
            ("found", finding.found[:OCCURRENCES_SHOWN]),
            ("", rest(finding.found)),
            ("risk", [kind.consequence]),
            ("do", [kind.remedy]),
        ):
            for line in lines:
                write(Padding(labelled(label, line), (0, 0, 0, 4)))
        for statement in finding.statements[:OCCURRENCES_SHOWN]:
            write(f"{' ' * 11}{escape(statement)};", soft_wrap=True)  # a Padding would cut it off
        for line in rest(finding.statements):
            write(f"{' ' * 11}-- {line}")
        write()
    version = diagnosis.server_version.split(" ")[0]
    where = escape(f"({diagnosis.database}, PostgreSQL {version})")
    if diagnosis.is_blocked:
        write(f"[bold red]A run must not go on here as long as something blocks it[/]  {where}")
    elif diagnosis.findings:
        write(f"[bold]Nothing blocks a run[/]  {where}")
    else:
        write(f"[bold green]Nothing stands in the way[/]  {where}")


def show_grants(grants: Sequence[Grant]) -> None:
    """Print the statements, ready to be piped into psql."""
    section = None
    for grant in grants:
        if grant.section != section:
            section = grant.section
            print_plain(f"-- {section}")
        print_plain(f"{grant.statement};")


def show_configuration(settings: Settings) -> None:
    """Show each var as YAML, with its origin unless it is a default."""
    print_plain(f"# {settings.user_file.path or 'no rollcall.yml'}; state in {settings.state_directory}")
    for name, value in settings.variables.items():
        origin = settings.origin_of(name)
        shown = json.dumps(value, ensure_ascii=False)
        print_plain(f"{name}: {shown}" + (f"  # {origin}" if name in settings.origins else ""))
