"""The order of an alert: find, decide, remember, report, send, remember what was not delivered.

Nothing here fails a run. A run waits for the receivers until their deadline, and never in a transaction.
"""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import psycopg

from rollcall import console
from rollcall.database.connections import reason_of
from rollcall.database.conninfo import read_conninfo
from rollcall.errors import (
    ConfigurationError,
    ConnectionFailed,
    EvaluationError,
    LeaseHeld,
    ProofFailed,
    RollcallError,
)
from rollcall.ledger.runs import has_ledger
from rollcall.report.outcome import RunOutcome
from rollcall.service.alerts.delivery import Delivery, deliver
from rollcall.service.alerts.digest import Message, digest
from rollcall.service.alerts.facts import Facts, read_facts
from rollcall.service.alerts.findings import (
    failure_finding,
    findings_of_facts,
    findings_of_run,
    success_finding,
)
from rollcall.service.alerts.memory import FileMemory, LedgerMemory, Memory, newest, read_states
from rollcall.service.alerts.policy import Decision, decide
from rollcall.service.alerts.values import Finding, News, State
from rollcall.settings.alerts import AlertSettings, Level
from rollcall.settings.configuration import Settings
from rollcall.workspace import Workspace

__all__ = [
    "CHECK",
    "Alerted",
    "address_of",
    "alert",
    "alert_of_failure",
    "alert_of_ledger",
    "alerting_of_failures",
    "check",
    "test_channels",
]

CHECK = "alerts check"
TEST = "This is a test of the channel. Nothing happened."
Publish = Callable[[], Path]


@dataclass(frozen=True)
class Alerted:
    """What was news of a database, and the result for each channel that got a message."""

    database: str = ""
    news: tuple[News, ...] = ()
    deliveries: tuple[Delivery, ...] = ()

    def to_json(self) -> dict[str, Any]:
        return {
            "database": self.database,
            "news": [news.to_json() for news in self.news],
            "deliveries": [delivery.to_json() for delivery in self.deliveries],
        }


def alert(workspace: Workspace, outcome: RunOutcome, publish: Publish | None = None) -> Alerted:
    """Send what a run has found that was not told yet.

    Args:
        outcome: the run; the proof, the breaker and the verdict are read from it.
        publish: writes the report, if there is news or the proof fails; gives its first page.
    """
    settings = workspace.settings.alerts
    publish = functools.cache(publish) if publish is not None else None
    with _never_failing() as alerted:
        now = datetime.now(UTC)
        findings = [
            *findings_of_run(outcome, settings),
            *findings_of_facts(
                _facts(workspace, outcome.run_id, now), settings, now, command=outcome.command
            ),
        ]
        alerted.append(_alert(workspace.settings, workspace, findings, now, publish))
    if publish is not None and outcome.failed_proof is not None:
        publish()
    return alerted[0] if alerted else Alerted()


def alert_of_failure(
    settings: Settings, command: str, error: Exception, *, is_repeated: bool = True
) -> Alerted:
    """Send that a run failed, unless that was told. Works without a database.

    Args:
        is_repeated: whether the command runs on a schedule, so that a later run may work again.
    """
    with _never_failing() as alerted:
        workspace = None if isinstance(error, ConnectionFailed) else _reachable(settings)
        now = datetime.now(UTC)
        finding = failure_finding(command, error, settings.alerts, None if is_repeated else now)
        alerted.append(_alert(settings, workspace, [finding], now, None))
    return alerted[0] if alerted else Alerted()


def _reachable(settings: Settings) -> Workspace | None:
    """The database with its project; None where it cannot be used."""
    try:
        workspace = Workspace(settings)
        _ = workspace.database
    except (RollcallError, psycopg.Error):
        return None
    return workspace


def check(workspace: Workspace) -> Alerted:
    """Send what the ledger says: missed runs, waiting plans, regrets, reminders, undelivered messages.

    Raises:
        EvaluationError: there is no ledger, or this role may not read it.
    """
    now, settings = datetime.now(UTC), workspace.settings.alerts
    facts = _facts(workspace, None, now)
    if not facts.is_readable:
        raise EvaluationError(
            "there is no ledger that this role may read, so a missed run would not be noticed",
            "check with the role that runs Rollcall; the first run makes the ledger",
        )
    findings = [*findings_of_facts(facts, settings, now), success_finding(CHECK, settings)]
    return _alert(workspace.settings, workspace, findings, now, None)


def alert_of_ledger(workspace: Workspace) -> Alerted:
    """Send what the ledger says beside any run, such as a plan that waits."""
    with _never_failing() as alerted:
        now, settings = datetime.now(UTC), workspace.settings.alerts
        findings = list(findings_of_facts(_facts(workspace, None, now), settings, now))
        alerted.append(_alert(workspace.settings, workspace, findings, now, None))
    return alerted[0] if alerted else Alerted()


def test_channels(settings: Settings) -> list[Delivery]:
    """Send a test message to every channel.

    Raises:
        ConfigurationError: there is no channel.
    """
    channels = settings.alerts.channels
    if not channels:
        raise ConfigurationError(
            "no channel is configured", "name one below `alerts: {channels: ...}` in rollcall.yml"
        )
    message = Message("Rollcall: test message", TEST, Level.INFO, is_good=True)
    return deliver(
        dict.fromkeys(channels, message),
        channels,
        settings.user_file.folder,
        settings.alerts.deadline_seconds,
    )


@contextlib.contextmanager
def alerting_of_failures(
    settings: Settings,
    command: str,
    tell: Callable[[Alerted], None] = lambda alerted: None,
    *,
    is_repeated: bool = True,
) -> Iterator[None]:
    """Send that the block failed, and let the error go on.

    Another run at work is no failure, and neither is a process that was told to end.

    Args:
        tell: called with what was sent.
        is_repeated: whether the command runs on a schedule.
    """
    try:
        yield
    except (LeaseHeld, ProofFailed):  # the run itself has sent that its proof fails
        raise
    except Exception as error:
        tell(alert_of_failure(settings, command, error, is_repeated=is_repeated))
        raise


@contextlib.contextmanager
def _never_failing() -> Iterator[list[Alerted]]:
    """Show an error of the alerts instead of raising it: the work of the run is done."""
    try:
        yield []
    except Exception as error:
        console.show_error(f"the alerts could not be sent: {_reason(error)}")


def _reason(error: Exception) -> str:
    """Why, without a secret: only texts of our own are shown."""
    if isinstance(error, RollcallError):
        return str(error)
    return reason_of(error) if isinstance(error, psycopg.Error) else type(error).__name__


def _facts(workspace: Workspace, run_id: str | None, now: datetime) -> Facts:
    try:
        return read_facts(workspace, run_id, now)
    except psycopg.Error:  # this role may not read the ledger
        return Facts()


def _alert(
    settings: Settings,
    workspace: Workspace | None,
    findings: list[Finding],
    now: datetime,
    publish: Publish | None,
) -> Alerted:
    memory, decision = _decide(settings, workspace, findings, now)
    report = _report(settings, decision, publish)
    database = workspace.database.name if workspace else _name_of(settings)
    messages = {name: digest(database, news, report) for name, news in decision.parcels.items()}
    deliveries = deliver(
        messages, settings.alerts.channels, settings.user_file.folder, settings.alerts.deadline_seconds
    )
    _settle(memory, decision, deliveries)
    for delivery in deliveries:
        if not delivery.is_delivered:
            console.show_error(f"the alert for {delivery.channel} was not delivered: {delivery.reason}")
    return Alerted(database, decision.news, tuple(deliveries))


def _decide(
    settings: Settings, workspace: Workspace | None, findings: list[Finding], now: datetime
) -> tuple[Memory, Decision]:
    """Decide in the ledger, or in the file where the ledger cannot be written.

    Raises:
        psycopg.Error: another run is deciding for too long.
    """

    def judge(states: Mapping[str, State]) -> Decision:
        return decide(states, findings, settings.alerts, now)

    file = FileMemory(settings)
    reason = "the database cannot be used"
    known: list[State] = []
    if workspace is not None:
        try:
            if _has_alerts(workspace):
                ledger = LedgerMemory(workspace, file)
                return ledger, ledger.decide(judge)
            reason = "the ledger has no table of alerts yet"
        except (psycopg.errors.LockNotAvailable, psycopg.errors.QueryCanceled):
            raise
        except (RollcallError, psycopg.Error) as error:
            reason = f"the ledger cannot be written ({_reason(error)})"
        with contextlib.suppress(RollcallError, psycopg.Error):
            known = read_states(workspace)
    decision = file.decide(lambda states: judge(newest(known, states.values())))
    if decision.news:
        console.show_error(f"{reason}, so the state of the alerts is kept in {file.path}")
    return file, decision


def _has_alerts(workspace: Workspace) -> bool:
    with workspace.database.snapshot() as snapshot:
        return has_ledger(snapshot, workspace.project, "alerts")


def _report(settings: Settings, decision: Decision, publish: Publish | None) -> str | None:
    """Write the report if there is news. Gives its address, or its path."""
    if publish is None or not decision.news:
        return None
    try:
        page = publish()
    except RollcallError as error:
        console.show_error(error.text)
        return None
    return address_of(settings.alerts, page)


def address_of(alerts: AlertSettings, page: Path) -> str:
    """The address of a page of a report where one is configured, else its path."""
    return str(page) if alerts.report_url is None else f"{alerts.report_url}/{page.parent.name}/{page.name}"


def _settle(memory: Memory, decision: Decision, deliveries: list[Delivery]) -> None:
    """Remember which channels have not got their message; a later run tries again if that fails."""
    claimed = [state for state in decision.states if state.key in decision.sent]
    if not claimed:
        return
    delivered = {
        (item.key, delivery.channel)
        for delivery in deliveries
        if delivery.is_delivered
        for item in decision.parcels[delivery.channel]
    }
    failed = {
        state.key: [name for name in state.undelivered if (state.key, name) not in delivered]
        for state in claimed
    }
    try:
        memory.settle(claimed, failed)
    except (RollcallError, psycopg.Error) as error:
        console.show_error(f"the delivery of the alerts could not be recorded: {_reason(error)}")


def _name_of(settings: Settings) -> str:
    name = read_conninfo(settings.conninfo).get("dbname") or os.environ.get("PGDATABASE")
    return str(name or "the database")
