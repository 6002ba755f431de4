"""The findings of a run: what holds now, as values for the policy."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import psycopg

from rollcall.database.connections import reason_of
from rollcall.errors import BreakerTripped, RollcallError
from rollcall.report.outcome import RunOutcome
from rollcall.rules.results import Assessment, Severity, Verdict
from rollcall.service.alerts.facts import Facts
from rollcall.service.alerts.values import Finding, RuleCount
from rollcall.settings.alerts import AlertSettings, Kind, Level

__all__ = ["failure_finding", "findings_of_facts", "findings_of_run", "success_finding"]

RULES_SHOWN = 15
FAILURE_LENGTH = 500
NEXT_STEPS = {
    Verdict.READY: "",
    Verdict.NEEDS_SESSION_CLEANUP: "`rollcall assess` names the sessions, and `rollcall clean` repairs them.",
    Verdict.NEEDS_DATABASE_MIGRATION: "`rollcall plan` shows the statements, and `rollcall run` sends them.",
    Verdict.NOT_READY: "`rollcall assess` names what a person must correct.",
}
RUN_NAMES = {"clean": "clean-up", "history": "run that judges the history"}
SHOWS_RULE = (Severity.BLOCKING, Severity.CRITICAL, Severity.WARNING)


def findings_of_run(outcome: RunOutcome, settings: AlertSettings) -> Iterator[Finding]:
    """The findings of a run that came to its end, or that the breaker stopped."""
    if outcome.latest is not None:
        yield _verdict(outcome, outcome.latest, settings)
    if outcome.acted:
        yield from (_breaker(outcome, settings, is_tripped=False), _proof(outcome, settings))
    elif outcome.breaker is not None:
        yield _breaker(outcome, settings, is_tripped=True)
    yield success_finding(outcome.command, settings, outcome.run_id)


def success_finding(command: str, settings: AlertSettings, run_id: str | None = None) -> Finding:
    """The finding that a command did its work."""
    return Finding(
        Kind.RUN,
        f"run {command}",
        None,
        Level.CRITICAL,
        resolved=f"The command {command} works again.",
        run_id=run_id,
        owner=settings.owner_of(Kind.RUN),
    )


def findings_of_facts(
    facts: Facts, settings: AlertSettings, now: datetime, *, command: str | None = None
) -> Iterator[Finding]:
    """The findings about the schedule, the stored plans and the regrets.

    Args:
        command: the command of the run that is at work; with it a missed run is over.
    """
    if not facts.is_readable:
        return
    for name, minutes in settings.missed_minutes.items():
        if name in facts.last_runs:
            yield _missed(name, facts.last_runs[name], minutes, settings, now, has_come=command == "clean")
    yield _plan(facts, settings)
    if facts.regrets:
        yield _regret(facts, settings)


def failure_finding(
    command: str, error: Exception, settings: AlertSettings, single_at: datetime | None = None
) -> Finding:
    """The finding that a run failed, or that the breaker stopped it; without a secret and without a row.

    Args:
        single_at: when a run failed that no schedule repeats; without it the failure lasts until the command
            works again.
    """
    if isinstance(error, BreakerTripped):
        return Finding(
            Kind.BREAKER,
            "breaker",
            "tripped",
            Level.CRITICAL,
            _sentence(error.message),
            next_step=_sentence(error.hint),
            run_id=error.run_id or None,
            owner=settings.owner_of(Kind.BREAKER),
        )
    if isinstance(error, RollcallError):
        reason = error.text
    elif isinstance(error, psycopg.Error):
        reason = f"The database refused: {reason_of(error)}."
    else:
        reason = f"This is a fault of Rollcall ({type(error).__name__})."
    return Finding(
        Kind.RUN,
        f"run {command}",
        "failed" if single_at is None else single_at.isoformat(),
        Level.CRITICAL,
        f"The command {command} failed. {reason[:FAILURE_LENGTH]}",
        next_step="`rollcall doctor` finds what stops a run.",
        is_over=single_at is not None,
        owner=settings.owner_of(Kind.RUN),
    )


def _verdict(outcome: RunOutcome, judged: Assessment, settings: AlertSettings) -> Finding:
    failing = sorted(
        (rule for rule in judged.rules if rule.failing and not rule.passed and rule.severity in SHOWS_RULE),
        key=lambda rule: (rule.severity.rank, rule.name),
    )
    counts = tuple(
        RuleCount(rule.name, rule.severity.value, rule.failing, settings.owner_of(rule.name))
        for rule in failing[:RULES_SHOWN]
    )
    return Finding(
        Kind.VERDICT,
        "verdict",
        judged.verdict.value,
        Level.CRITICAL if judged.verdict is Verdict.NOT_READY else Level.WARNING,
        f"The verdict is {judged.verdict.value}.",
        next_step=NEXT_STEPS[judged.verdict],
        run_id=outcome.run_id,
        counts=counts,
        owner=settings.owner_of(Kind.VERDICT),
    )


def _breaker(outcome: RunOutcome, settings: AlertSettings, *, is_tripped: bool) -> Finding:
    breaker = outcome.breaker if is_tripped else None
    return Finding(
        Kind.BREAKER,
        "breaker",
        "tripped" if breaker else None,
        Level.CRITICAL,
        _sentence(breaker.evidence) if breaker else "",
        "The breaker lets unattended runs pass again.",
        run_id=breaker.run_id if breaker else outcome.run_id,
        owner=settings.owner_of(Kind.BREAKER),
    )


def _proof(outcome: RunOutcome, settings: AlertSettings) -> Finding:
    failed = outcome.failed_proof
    return Finding(
        Kind.PROOF,
        "proof",
        "failed" if failed else None,
        Level.CRITICAL,
        _sentence(failed.message) if failed else "",
        f"The proof of run {outcome.run_id} holds.",
        _sentence(failed.hint) if failed else "",
        run_id=outcome.run_id,
        owner=settings.owner_of(Kind.PROOF),
    )


def _missed(
    name: str, last: datetime, minutes: float, settings: AlertSettings, now: datetime, *, has_come: bool
) -> Finding:
    is_late = now - last > timedelta(minutes=minutes)
    what = RUN_NAMES[name]
    late = f"No {what} has ended since {_instant(last)}, and one is expected within {minutes:g} minutes."
    back = f"The {what} runs again; the last one before had ended at {_instant(last)}."
    return Finding(
        Kind.MISSED,
        f"missed {name}",
        last.astimezone(UTC).isoformat() if is_late else None,
        Level.CRITICAL,
        f"{late} It runs again now." if has_come else late,
        back,
        "Look at the schedule: cron, systemd, or the Prefect server and its workers.",
        is_over=has_come,
        owner=settings.owner_of(Kind.MISSED),
    )


def _plan(facts: Facts, settings: AlertSettings) -> Finding:
    plan = facts.plan
    return Finding(
        Kind.PLAN,
        "plan",
        plan.hash if plan else None,
        Level.INFO,
        f"A plan waits for approval until {_instant(plan.expires_at)}. Statements: {plan.statements}, "
        f"session changes: {plan.changes}. Its hash is {plan.hash}."
        if plan
        else "",
        "No plan waits for approval.",
        f"`rollcall run --plan {plan.hash} --approved-by NAME` executes it." if plan else "",
        owner=settings.owner_of(Kind.PLAN),
    )


def _regret(facts: Facts, settings: AlertSettings) -> Finding:
    newest = max(regret.closed_at for regret in facts.regrets)
    return Finding(
        Kind.REGRET,
        "regret",
        newest.astimezone(UTC).isoformat(),
        Level.WARNING,
        f"Sessions that were closed, and whose agents showed life afterwards: {len(facts.regrets)}.",
        next_step="`rollcall verify` names them, and `rollcall undo` restores the sessions of a run.",
        is_over=True,
        owner=settings.owner_of(Kind.REGRET),
    )


def _instant(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def _sentence(text: str) -> str:
    text = text.strip()
    return text if not text or text.endswith((".", "!", "?")) else f"{text}."
