"""The command as a person types it: what it prints where, and its exit codes."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psycopg
import pytest

from rollcall.sandbox.demo import DefectCounts, Scale, Variant
from rollcall.servers.postgres import PostgresServer
from tests.support.call_centre import SMALL, call_centre
from tests.support.command import heed_signals, rollcall, rollcall_process
from tests.support.floor import TABLES
from tests.support.paths import ROOT
from tests.support.postgres import running_server
from tests.support.waiting import PATIENCE, until

SECRET = "Tr0ub4dor&3-planted"


def assert_one_line(done: subprocess.CompletedProcess[str], exit_code: int, *parts: str) -> None:
    assert done.returncode == exit_code, done.stderr
    assert done.stdout == ""
    lines = done.stderr.strip().splitlines()
    assert len(lines) == 1, done.stderr
    assert lines[0].startswith("rollcall: ")
    for part in parts:
        assert part in lines[0]
    assert SECRET not in done.stderr


@pytest.mark.parametrize("arguments", [["--version"], ["--help"], ["clean", "--help"], ["no-such-command"]])
def test_as_a_module_it_is_the_same_command(arguments: list[str]) -> None:
    script = Path(sys.executable).with_name("rollcall")
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}  # this code, wherever the script was installed from
    as_script, as_module = (
        subprocess.run([*command, *arguments], env=environment, text=True, capture_output=True, check=False)
        for command in ([str(script)], [sys.executable, "-m", "rollcall"])
    )
    assert as_script.stdout + as_script.stderr
    assert (as_module.returncode, as_module.stdout, as_module.stderr) == (
        as_script.returncode,
        as_script.stdout,
        as_script.stderr,
    )


@pytest.mark.parametrize(
    "command", ["assess", "plan", "migrate", "clean", "verify", "run", "history", "serve"]
)
def test_without_a_database_every_command_says_how_to_name_one(command: str) -> None:
    assert_one_line(rollcall(command), 2, "No database is configured", "ROLLCALL_DATABASE_URL")


def test_a_server_that_is_down() -> None:
    url = f"postgresql://someone:{SECRET.replace('&', '%26')}@127.0.0.1:9/centre"
    done = rollcall("assess", url=url)
    assert_one_line(
        done,
        1,
        "Cannot connect",
        "to the database: connection to server at",
        "Connection refused; Is the server",
        "Check that the server is up",
    )


def test_an_unreadable_url_does_not_show_its_password() -> None:
    done = rollcall("assess", url=f"postgresql://someone:{SECRET}@host:not-a-port:5/x%")
    assert done.returncode in (1, 2)
    assert SECRET not in done.stderr + done.stdout
    assert len(done.stderr.strip().splitlines()) == 1


def test_a_wrong_password_is_not_shown() -> None:
    with running_server() as server:
        rules = server.data_directory / "pg_hba.conf"
        rules.write_text("local all all scram-sha-256\n")
        server.stop()
        server.start()
        url = server.conninfo().replace("postgres@", f"postgres:{SECRET.replace('&', '%26')}@")
        assert_one_line(rollcall("assess", url=url), 1, "password authentication failed")


def test_a_database_that_does_not_exist(server: PostgresServer) -> None:
    done = rollcall("assess", url=server.conninfo("nowhere"))
    assert_one_line(done, 1, 'database "nowhere" does not exist')


def test_a_table_that_does_not_exist(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database) as connection:
        connection.execute(TABLES)
        connection.execute("alter table call_sessions rename to calls")
    done = rollcall("assess", url=database, state=tmp_path)
    parts = ("does not exist", "set the vars app_schema and", "`rollcall init` proposes")
    assert_one_line(done, 2, "Table public.", *parts)


def test_a_mapped_column_that_does_not_exist(database: str, tmp_path: Path) -> None:
    call_centre(database, tmp_path)
    done = rollcall("assess", "--vars", "{sessions_call_id_column: callRef}", url=database, state=tmp_path)
    assert_one_line(done, 2, "Column callRef does not exist", "sessions_call_id_column")


@pytest.mark.parametrize(
    ("variables", "part"),
    [
        ("{app_schema: [}", "not valid YAML"),
        ("just a text", "must be a mapping"),
        ("{app_schemas: crm}", "Did you mean app_schema?"),
        ("{settle_minutes: soon}", "settle_minutes must be a number above zero"),
        ("{abandoned_after_hours: 0}", "abandoned_after_hours must be a number above zero"),
        ("{live_call_statuses: ringing}", "must be a list of texts"),
        ("{not_working_statuses: [offline, break]}", "break is in the working statuses and in"),
        ("{closed_status: gone}", "closed_status is gone, which not_working_statuses does not have"),
        ("{app_time_zone: Mars/Olympus}", "names no time zone"),
        ("{batch_connections: 1.5}", "batch_connections must be a whole number from 1 to 1024"),
        ("{index_build_processes: 1025}", "index_build_processes must be a whole number from 1 to 1024"),
    ],
)
def test_a_configuration_that_cannot_work(variables: str, part: str) -> None:
    url = "postgresql://nobody@127.0.0.1:9/never-reached"
    assert_one_line(rollcall("assess", url=url, ROLLCALL_VARS=variables), 2, part)
    assert_one_line(rollcall("assess", "--vars", variables, url=url), 2, part)


@pytest.mark.medium
def test_ctrl_c_ends_in_one_line(database: str, tmp_path: Path) -> None:
    """While dbt compiles, which keeps a Ctrl-C to itself."""
    (tmp_path / "compiled").mkdir()
    call_centre(database, tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-c", "from rollcall.cli import main; main()", "plan"],
        env={**os.environ, "ROLLCALL_DATABASE_URL": database, "ROLLCALL_STATE_DIR": str(tmp_path)},
        cwd=ROOT,
        preexec_fn=heed_signals,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    until(lambda: process.poll() is not None or (tmp_path / "dbt").exists())
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130, stderr
    assert stderr.strip().splitlines()[-1].startswith("rollcall: interrupted;"), stderr


def test_usage_errors_are_short() -> None:
    assert_one_line(rollcall("asses"), 2, "No such command 'asses'", "--help")
    assert_one_line(rollcall("assess", "--jason"), 2, "No such option")


def test_without_a_command_the_help_is_shown_as_it_is() -> None:
    done = rollcall()
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("Usage: rollcall ")
    assert done.stderr == rollcall("--help").stdout


def test_help_and_version_import_nothing_heavy() -> None:
    script = (
        "import sys\nfrom rollcall.cli import main\n"
        "try:\n    main()\nexcept SystemExit:\n    pass\n"
        "heavy = {'dbt', 'great_expectations', 'prefect', 'pandas', 'psycopg'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    for argument in ("--help", "--version"):
        subprocess.run([sys.executable, "-c", script, argument], check=True, cwd=ROOT, capture_output=True)


def test_assess_tells_the_verdict_by_exit_code_json_and_reports(database: str, tmp_path: Path) -> None:
    centre = call_centre(database, tmp_path)
    done = rollcall(
        *("assess", "--json", "--junit", str(tmp_path / "j.xml"), "--markdown", str(tmp_path / "m.md")),
        *("--report", str(tmp_path / "reports")),
        url=database,
        state=tmp_path,
    )
    assert done.returncode == 11, done.stderr
    document = json.loads(done.stdout)
    assert document["verdict"] == "NEEDS_DATABASE_MIGRATION"
    assert document["pending_changes"] == centre.planted.pending_changes
    counts = {rule["name"]: rule["violations"] for rule in document["rules"]}
    assert counts["abandoned_session"] == centre.planted.violations["abandoned_session"]
    wanted = {"verdict", "checks", "rules", "pending_statements", "pending_changes", "cutoff"}
    assert wanted | {"snapshot_at", "server_version", "warnings"} <= document.keys()
    assert (tmp_path / "j.xml").read_text().startswith("<?xml")
    assert "NEEDS DATABASE MIGRATION" in (tmp_path / "m.md").read_text()
    assert (tmp_path / "reports" / "latest" / "index.html").exists()


@pytest.mark.medium
def test_the_steps_one_by_one(database: str, tmp_path: Path) -> None:
    """migrate, clean and verify as commands of their own, and what they leave in the history."""
    centre = call_centre(database, tmp_path)
    plan = rollcall("plan", "--json", url=database, state=tmp_path)
    document = json.loads(plan.stdout)
    assert len(document["changes"]) == centre.planted.pending_changes
    assert {"sql", "reason", "lock"} <= document["statements"][0].keys()
    assert {"session_id", "rules", "remedy", "before", "after", "evidence"} <= document["changes"][0].keys()

    file = tmp_path / "plan.jsonl"
    planned = rollcall("plan", "--out", str(file), url=database, state=tmp_path)
    assert f"plan written: {file}" in planned.stdout
    assert_one_line(
        rollcall("run", "--plan", f"{file}l", url=database, state=tmp_path), 2, "Cannot read the plan"
    )

    cleaned = rollcall("clean", "--json", url=database, state=tmp_path)
    assert cleaned.returncode == 0, cleaned.stderr
    result = json.loads(cleaned.stdout)
    assert result["changed"] == centre.planted.pending_changes
    assert rollcall("assess", url=database, state=tmp_path).returncode == 11

    migrated = rollcall("migrate", "--json", url=database, state=tmp_path)
    assert migrated.returncode == 0, migrated.stderr
    assert "public.agent_sessions.last_heartbeat" in json.loads(migrated.stdout)["executed"]

    verified = rollcall("verify", "--run", result["run_id"], "--json", url=database, state=tmp_path)
    assert verified.returncode == 0, verified.stderr
    assert json.loads(verified.stdout)["proof"]["holds"] is True

    runs = json.loads(rollcall("history", "--json", url=database, state=tmp_path).stdout)
    assert [run["command"] for run in runs] == ["migrate", "clean"]
    assert runs[1]["changed"] == centre.planted.pending_changes
    unknown = rollcall("verify", "--run", "never", url=database, state=tmp_path)
    assert_one_line(unknown, 2, "No run never", "rollcall history")


def test_not_ready_is_for_a_person(database: str, tmp_path: Path) -> None:
    defects = DefectCounts.usual(SMALL, Variant()).plus(no_active_agents=True)
    call_centre(database, tmp_path, defects=defects)
    done = rollcall("assess", url=database, state=tmp_path)
    assert done.returncode == 12
    assert "NOT READY" in done.stdout
    assert "next: No active agents: " in done.stdout
    assert max(len(line) for line in done.stdout.splitlines()) <= 80


@pytest.mark.medium
def test_two_runs_at_once(database: str, tmp_path: Path) -> None:
    call_centre(database, tmp_path)
    with psycopg.connect(database, autocommit=True) as other:
        other.execute("set application_name = 'the other run'")
        other.execute("select pg_advisory_lock(%s, %s)", (0x726F6C6C, 0x63616C6C))
        done = rollcall("clean", url=database, state=tmp_path)
    assert_one_line(done, 3, "Another run is at work", "the other run")


@pytest.mark.medium
def test_an_ascii_terminal_gets_ascii(database: str, tmp_path: Path) -> None:
    call_centre(database, tmp_path, scale=Scale(agents=60, sessions=300, calls=900, days=10))
    done = rollcall_process("assess", url=database, state=tmp_path, PYTHONIOENCODING="ascii", NO_COLOR="1")
    assert done.returncode == 11, done.stderr
    assert done.stdout.isascii()
    assert "* NEEDS DATABASE MIGRATION" in done.stdout
