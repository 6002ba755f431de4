"""Doctor: a healthy database has no finding, nothing is changed, and the command's output."""

from __future__ import annotations

import json
import re

import pytest
from psycopg.conninfo import make_conninfo
from typer.testing import CliRunner

from rollcall import console
from rollcall.cli import app
from rollcall.steps.assess.assessment import assess
from rollcall.steps.doctor.diagnosis import Diagnosis, Finding
from rollcall.steps.doctor.examination import examine
from rollcall.steps.doctor.kinds import KINDS
from tests.support.clinic import MIGRATE, OPERATOR, READ, Clinic
from tests.support.paths import ROOT

# --- nothing wrong ---------------------------------------------------------------------------------


def test_a_healthy_database_has_no_finding(clinic: Clinic) -> None:
    assert clinic.found() == {}
    assert assess(clinic.workspace).server_version == clinic.workspace.database.server_version


def test_it_changes_nothing_and_leaves_nothing(clinic: Clinic) -> None:
    query = "select pg_current_wal_insert_lsn()::text, txid_current_if_assigned()"
    before = clinic.centre.rows("select sum(n_tup_ins + n_tup_upd + n_tup_del) from pg_stat_all_tables")
    examine(clinic.workspace)
    assert clinic.centre.rows(query)[0][1] is None
    after = clinic.centre.rows("select sum(n_tup_ins + n_tup_upd + n_tup_del) from pg_stat_all_tables")
    assert after == before
    assert clinic.centre.rows(
        "select count(*) from pg_stat_activity where usename = %s and state <> 'idle'", OPERATOR
    ) == [(0,)]


# --- the command ------------------------------------------------------------------------------------


def test_the_command(clinic: Clinic, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ROLLCALL_DATABASE_URL", make_conninfo(clinic.centre.url, user=OPERATOR))
    monkeypatch.setenv("ROLLCALL_STATE_DIR", str(clinic.workspace.settings.state_directory))
    monkeypatch.setenv("ROLLCALL_MIGRATE_ROLE", MIGRATE)
    runner = CliRunner()
    done = runner.invoke(app, ["doctor", "--json"])
    assert done.exit_code == 0, done.output
    document = json.loads(done.stdout)
    assert document["blocked"] is False
    assert [(f["name"], f["severity"]) for f in document["findings"]] == [("no_clean_role", "info")]

    monkeypatch.setenv("ROLLCALL_CLEAN_ROLE", "nobody_knows")
    print_on_stdout(monkeypatch)
    done = runner.invoke(app, ["doctor"])
    assert done.exit_code == 12
    assert "role_not_usable" in done.stdout
    assert "A run must not go on" in done.stdout

    done = runner.invoke(app, ["doctor", "--grants"])
    assert done.exit_code == 0
    assert "create role nobody_knows nologin;" in done.stdout.splitlines()
    assert f"grant {READ}, {MIGRATE}, nobody_knows to {OPERATOR};" in done.stdout.splitlines()
    assert all(line.startswith("--") or line.endswith(";") for line in done.stdout.splitlines())


def print_on_stdout(monkeypatch: pytest.MonkeyPatch) -> None:
    """Undo what an earlier command with --json did in this process."""
    console.use_stdout()


def test_every_finding_fits_into_80_columns(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    print_on_stdout(monkeypatch)
    findings = tuple(Finding(name, (f"{name} " * 20, "x" * 200) * 6) for name in KINDS)
    console.show_diagnosis(Diagnosis("x", "18.1", findings))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > len(KINDS)
    assert max(len(line) for line in lines) <= 80
    assert sum("and 2 more" in line for line in lines) == len(KINDS)


def test_a_statement_is_printed_whole_and_a_long_list_is_cut(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    print_on_stdout(monkeypatch)
    statements = tuple(f"grant update ({'long_column_name, ' * 6}id) on s.t{n} to r" for n in range(13))
    name = next(iter(KINDS))
    console.show_diagnosis(Diagnosis("x", "18.1", (Finding(name, ("found",), statements),)))
    lines = [line.strip() for line in capsys.readouterr().out.splitlines()]
    assert [line for line in lines if line.startswith("grant")] == [f"{text};" for text in statements[:10]]
    assert "-- and 3 more, see --json" in lines


def test_every_finding_is_tested_and_has_a_section_in_the_docs() -> None:
    tests = "".join(path.read_text() for path in (ROOT / "tests").rglob("test_*.py"))
    assert [name for name in KINDS if f'"{name}"' not in tests] == []
    page = (ROOT / "docs" / "doctor.md").read_text()
    sections = re.findall(r"^### `(\w+)`: (\w+)$", page, re.MULTILINE)
    assert dict(sections) == {name: kind.severity.value for name, kind in KINDS.items()}
    assert len(sections) == len(KINDS)
