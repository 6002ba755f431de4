"""`clean --unattended` and `alerts check` with real receivers and a real ledger: each change is told once."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest
import yaml
from psycopg import sql

from rollcall.servers.postgres import PostgresServer
from rollcall.service.alerts import alerting
from rollcall.settings.configuration import load_settings
from rollcall.workspace import Workspace
from tests.support.command import rollcall
from tests.support.floor import Floor, empty
from tests.support.outages import heartbeat_outage
from tests.support.receivers import TOKEN, Webhook, mail_server, webhook

NOWHERE = "postgresql://someone:planted-password-88@127.0.0.1:9/centre"


@pytest.fixture
def hook() -> Iterator[Webhook]:
    with webhook() as receiver:
        yield receiver


@pytest.fixture
def run(floor: Floor, hook: Webhook, tmp_path: Path) -> Callable[..., Any]:
    """Runs a command with a channel `team`. Its configuration can be given; nothing may show a secret."""

    def command(*arguments: str, url: str | None = None, **block: Any) -> Any:
        channels = {"team": {"env": "TEAM_URL"}}
        alerts = {"channels": channels, "lasting_judgements": 1, "lasting_minutes": 0, **block}
        (tmp_path / "rollcall.yml").write_text(yaml.safe_dump({"alerts": alerts}))
        done = rollcall(
            *arguments,
            url=url or floor.url,
            state=tmp_path / "state",
            ROLLCALL_CONFIG=str(tmp_path),
            TEAM_URL=hook.url,
        )
        assert TOKEN not in done.stdout + done.stderr
        return done

    return command


def cleaned(run: Callable[..., Any], **options: Any) -> Any:
    return run("clean", "--unattended", **options)


def titles(hook: Webhook) -> list[str]:
    return [message["title"] for message in hook.messages]


def alerts_in(floor: Floor) -> dict[str, tuple[Any, ...]]:
    query = "select key, told, undelivered, attempts from rollcall_ops.alerts"
    return {key: values for key, *values in floor.rows(query)}


# --- one digest -----------------------------------------------------------------------------------


def test_a_verdict_is_one_message_with_counts_owners_next_step_and_report(
    floor: Floor, hook: Webhook, run: Callable[..., Any], tmp_path: Path
) -> None:
    floor.session(seen=1, status="a new one")
    (name,) = floor.rows("select current_database()")[0]
    owners = {"unknown_session_status": "telephony"}
    options = {"owner": "platform", "owners": owners, "report_url": "https://reports.example.com"}
    assert cleaned(run, **options).returncode == 0
    (text,) = hook.texts
    ((run_id,),) = floor.rows("select run_id from rollcall_ops.runs")
    assert text.startswith(f"Rollcall, {name}: The verdict changed from READY to NOT_READY\n")
    assert "unknown_session_status: 1 (blocking, owner telephony)" in text
    assert "Owner: platform" in text
    assert "Next step: `rollcall assess`" in text
    assert f"Report: https://reports.example.com/{run_id}/index.html" in text
    assert (tmp_path / "state" / "reports" / run_id / "index.html").exists()
    assert cleaned(run, **options).returncode == 0
    assert len(hook.messages) == 1, "told once"
    floor.rows("update agent_sessions set status = 'available'")
    floor.agent()
    cleaned(run, suppress_minutes=0, **options)
    assert "The verdict changed from NOT_READY to" in hook.texts[1]


@pytest.mark.medium
def test_by_default_a_verdict_has_to_last(floor: Floor, hook: Webhook, run: Callable[..., Any]) -> None:
    default = {"lasting_judgements": 2, "lasting_minutes": 4}
    assert cleaned(run, **default).returncode == 0
    assert cleaned(run, **default).returncode == 0
    assert hook.messages == [], "two judgements in one minute are no change that lasts"
    floor.rows("update rollcall_ops.alerts set pending_since = pending_since - interval '5 minutes'")
    assert cleaned(run, **default).returncode == 0
    assert len(hook.messages) == 1


@pytest.mark.medium
def test_a_mail_is_a_digest_too(floor: Floor, run: Callable[..., Any]) -> None:
    with mail_server() as mails:
        cleaned(run, channels={"lead": {"url": mails.url}})
        (mail,) = mails.mails
    assert "The verdict changed from READY to" in mail.replace("=\r\n", "").replace("_", " ")


# --- breaker, proof, failure ----------------------------------------------------------------------


@pytest.mark.medium
def test_a_breaker_is_told_once_and_so_is_its_end(
    floor: Floor, hook: Webhook, run: Callable[..., Any]
) -> None:
    heartbeat_outage(floor)
    assert [cleaned(run).returncode for _ in range(3)] == [4, 4, 4]
    (text,) = hook.texts
    assert "30 of 31 working sessions would be closed" in text
    assert "Next step: Check that the clients' heartbeats" in text
    assert run("clean").returncode == 0, "a person cleans"
    assert len(hook.messages) == 1
    cleaned(run, suppress_minutes=0)
    assert "Resolved (critical): The breaker lets unattended runs pass again" in hook.texts[1]
    shown = json.loads(run("alerts", "--json").stdout)
    (breaker,) = [alert for alert in shown if alert["key"] == "breaker"]
    assert (breaker["is_active"], breaker["undelivered"]) == (False, [])


@pytest.mark.medium
def test_a_failed_proof_ends_with_1_and_is_told(
    floor: Floor, hook: Webhook, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    from rollcall.pipeline import steps

    floor.session()
    verify = steps.verify_run

    def delete_the_session_and_verify(*arguments: Any) -> Any:
        floor.rows("delete from agent_sessions")
        return verify(*arguments)

    monkeypatch.setattr(steps, "verify_run", delete_the_session_and_verify)
    assert cleaned(run).returncode == 1
    (text,) = hook.texts
    ((run_id, failure),) = floor.rows("select run_id, failure from rollcall_ops.runs")
    assert f"New (critical): the proof of run {run_id} does not hold" in text
    assert f"`rollcall verify --run {run_id}` shows what differs" in text
    assert "does not hold" in failure


def test_a_database_that_cannot_be_reached_is_told_once_without_a_ledger(
    floor: Floor, hook: Webhook, run: Callable[..., Any], tmp_path: Path
) -> None:
    first = cleaned(run, url=NOWHERE)
    assert first.returncode == 1
    assert "the database cannot be used, so the state of the alerts is kept in" in first.stderr
    assert cleaned(run, url=NOWHERE).returncode == 1
    (text,) = hook.texts
    assert "The command clean failed. Cannot connect to the database" in text
    kept = [path for path in (tmp_path / "state").rglob("*") if path.is_file()]
    assert [path for path in kept if b"planted-password" in path.read_bytes()] == []


@pytest.mark.medium
def test_what_a_file_remembers_moves_into_the_ledger(
    floor: Floor, hook: Webhook, run: Callable[..., Any], server: PostgresServer, tmp_path: Path
) -> None:
    (name,) = floor.rows("select current_database()")[0]
    closed = sql.SQL("alter database {} allow_connections {}").format
    with psycopg.connect(server.conninfo(), autocommit=True) as connection:
        connection.execute(closed(sql.Identifier(name), sql.SQL("false")))
        try:
            assert [cleaned(run).returncode for _ in range(2)] == [1, 1]
        finally:
            connection.execute(closed(sql.Identifier(name), sql.SQL("true")))
    assert len(hook.messages) == 1
    assert list((tmp_path / "state" / "alerts").glob("*.json"))
    assert cleaned(run, suppress_minutes=0).returncode == 0
    assert "Resolved (critical): The command clean works again" in hook.texts[1]
    assert "run clean" in alerts_in(floor)
    assert list((tmp_path / "state" / "alerts").glob("*.json")) == []


@pytest.mark.medium
def test_a_role_that_only_reads_the_ledger_repeats_nothing_that_was_told(
    floor: Floor, hook: Webhook, run: Callable[..., Any], tmp_path: Path
) -> None:
    assert run("plan", "--store").returncode == 0
    assert len(hook.messages) == 1
    floor.rows("create role reader login")
    try:
        floor.rows("grant usage on schema rollcall_ops to reader")
        floor.rows("grant select on all tables in schema rollcall_ops, public to reader")
        url = floor.url.replace("postgres@", "reader@", 1)
        assert run("alerts", "check", url=url).returncode == 0
        assert len(hook.messages) == 1, "the ledger says that it was told"
        floor.session()
        assert run("plan", "--store", channels={}).returncode == 0
        told = run("alerts", "check", url=url, suppress_minutes=0)
        assert "so the state of the alerts is kept in" in told.stderr
        assert run("alerts", "check", url=url, suppress_minutes=0).returncode == 0
        assert len(hook.messages) == 2, "told once, by the file"
    finally:
        floor.rows("drop owned by reader")
        floor.rows("drop role reader")


# --- receivers that fail --------------------------------------------------------------------------


@pytest.mark.medium
def test_what_a_receiver_refused_is_sent_by_the_next_run_once(
    floor: Floor, hook: Webhook, run: Callable[..., Any]
) -> None:
    hook.status = 500
    failed = cleaned(run)
    assert failed.returncode == 0, "the run is not to blame"
    assert "the alert for team was not delivered: the receiver answered 500" in failed.stderr
    assert alerts_in(floor)["verdict"][1:] == [["team"], 1]
    hook.status = 200
    assert cleaned(run).returncode == 0
    assert cleaned(run).returncode == 0
    assert len(hook.messages) == 2, "the refused one, and the next run's"
    assert titles(hook)[0] == titles(hook)[1]
    assert alerts_in(floor)["verdict"][1:] == [[], 2]


def test_a_run_does_not_wait_for_a_receiver_that_sleeps(
    floor: Floor, hook: Webhook, run: Callable[..., Any]
) -> None:
    hook.silent = True
    floor.session()
    floor.session(seen=1, status="a new one")
    slept = cleaned(run, deadline_seconds=0.5)
    assert not hook.closing.is_set(), "the receiver has not answered yet"
    assert slept.returncode == 0
    assert floor.rows("select changed, failure from rollcall_ops.runs") == [(1, None)]
    assert alerts_in(floor)["verdict"][1] == ["team"]


def test_two_at_once_send_once(
    floor: Floor, hook: Webhook, run: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run("plan", "--store", channels={}).returncode == 0
    assert run("alerts", deadline_seconds=60).returncode == 0, "writes the configuration of the checks"
    monkeypatch.setenv("TEAM_URL", hook.url)
    environment = {
        "ROLLCALL_DATABASE_URL": floor.url,
        "ROLLCALL_STATE_DIR": str(tmp_path / "state"),
        "ROLLCALL_CONFIG": str(tmp_path),
    }
    workspaces = [Workspace(load_settings(environment=environment)) for _ in range(4)]
    barrier = threading.Barrier(len(workspaces))

    def check(workspace: Workspace) -> None:
        _ = workspace.database
        barrier.wait(60)
        alerting.check(workspace)

    threads = [threading.Thread(target=check, args=(workspace,)) for workspace in workspaces]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(hook.messages) == 1


# --- what the ledger says -------------------------------------------------------------------------


@pytest.mark.medium
def test_a_missed_run_is_told_by_a_check_and_so_is_its_return(
    floor: Floor, hook: Webhook, run: Callable[..., Any]
) -> None:
    options = {"missed_minutes": {"clean": 15}, "severities": {"verdict": "info"}}
    options["channels"] = {"team": {"env": "TEAM_URL", "severity": "critical"}}
    assert cleaned(run, **options).returncode == 0
    assert run("alerts", "check", **options).returncode == 0
    assert hook.messages == []
    floor.rows("update rollcall_ops.runs set finished_at = finished_at - interval '16 minutes'")
    assert run("alerts", "check", **options).returncode == 0
    assert run("alerts", "check", **options).returncode == 0
    (text,) = hook.texts
    assert "No clean-up has ended since" in text
    assert "Look at the schedule" in text
    cleaned(run, suppress_minutes=0, **options)
    assert "Resolved (critical): The clean-up runs again" in hook.texts[1]


@pytest.mark.medium
def test_the_run_after_a_missed_one_tells_it_once(
    floor: Floor, hook: Webhook, run: Callable[..., Any]
) -> None:
    options = {"missed_minutes": {"clean": 15}, "severities": {"verdict": "info"}}
    options["channels"] = {"team": {"env": "TEAM_URL", "severity": "critical"}}
    cleaned(run, **options)
    floor.rows("update rollcall_ops.runs set finished_at = finished_at - interval '16 minutes'")
    cleaned(run, **options)
    cleaned(run, **options)
    (text,) = hook.texts
    assert "No clean-up has ended since" in text
    assert "It runs again now" in text


def test_a_check_that_cannot_read_the_ledger_fails_and_is_told_once(
    floor: Floor, hook: Webhook, run: Callable[..., Any]
) -> None:
    assert [run("alerts", "check", url=NOWHERE).returncode for _ in range(2)] == [1, 1]
    (text,) = hook.texts
    assert "The command alerts check failed" in text


def test_a_plan_that_waits_is_told_until_it_is_executed(
    floor: Floor, hook: Webhook, run: Callable[..., Any]
) -> None:
    floor.session()
    stored = json.loads(run("plan", "--store", "--json").stdout)["hash"]
    assert run("alerts", "check").returncode == 0
    (text,) = hook.texts
    assert "A plan waits for approval until" in text
    assert "session changes: 1." in text
    assert f"rollcall run --plan {stored}" in text
    assert run("clean", "--plan", stored).returncode == 0
    assert run("alerts", "check", suppress_minutes=0).returncode == 0
    assert "No plan waits for approval" in hook.texts[1]


@pytest.mark.medium
def test_a_regret_is_told_once(floor: Floor, hook: Webhook, run: Callable[..., Any]) -> None:
    options = {"channels": {"team": {"env": "TEAM_URL"}}, "lasting_judgements": 50}
    session = floor.session()
    assert cleaned(run, **options).returncode == 0
    assert hook.messages == []
    floor.rows(
        "update agent_sessions set last_activity = timezone('utc', now()) + interval '1 s' where id = %s",
        session,
    )
    assert run("alerts", "check", **options).returncode == 0
    assert run("alerts", "check", **options).returncode == 0
    (text,) = hook.texts
    assert "Sessions that were closed, and whose agents showed life afterwards: 1." in text
    assert session not in text


# --- no secret ------------------------------------------------------------------------------------


@pytest.mark.medium
def test_no_secret_is_kept_anywhere(
    floor: Floor, hook: Webhook, run: Callable[..., Any], tmp_path: Path
) -> None:
    hook.status = 500
    heartbeat_outage(floor)
    cleaned(run)
    empty(floor)
    cleaned(run)
    run("alerts", "check")
    run("alerts")
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert [path for path in files if TOKEN.encode() in path.read_bytes()] == []
    with psycopg.connect(floor.url) as connection:
        for (table,) in connection.execute(
            "select format('%I.%I', schemaname, tablename) from pg_tables where schemaname = 'rollcall_ops'"
        ).fetchall():
            rows = connection.execute(f"select t::text from {table} as t").fetchall()  # type: ignore[arg-type]
            assert [row for row in rows if TOKEN in row[0]] == [], table


def test_a_configuration_without_channels_judges_nothing_after_a_clean_up(
    floor: Floor, run: Callable[..., Any]
) -> None:
    """So that a clean-up under cron stays as quick as it is."""
    floor.session()
    assert cleaned(run, channels={}).returncode == 0
    assert floor.rows("select verdict from rollcall_ops.runs") == [(None,)]
    assert alerts_in(floor) == {}
