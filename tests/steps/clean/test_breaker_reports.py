"""A tripped breaker is what every output says first, until a clean-up has ended without a failure."""

from __future__ import annotations

import dataclasses
import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from rollcall import console
from rollcall.cli import app
from rollcall.errors import BreakerTripped
from tests.support.floor import Floor
from tests.support.outages import alive, fill, outage, unattended

TITLE = "The breaker tripped"


@pytest.fixture
def stopped(floor: Floor, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Floor:
    """A floor on which the breaker stopped an unattended clean-up; the command line works on it."""
    fill(floor, outage(30), alive(10))
    with pytest.raises(BreakerTripped):
        unattended(floor)
    console.use_stdout()
    monkeypatch.setenv("ROLLCALL_DATABASE_URL", floor.url)
    monkeypatch.setenv("ROLLCALL_STATE_DIR", str(floor.workspace.settings.state_directory))
    return floor


def invoke(*arguments: str, code: int | None = None) -> str:
    console.use_stdout()
    done = CliRunner().invoke(app, list(arguments))
    assert code is None or done.exit_code == code, done.output
    return done.stdout


@pytest.mark.medium
def test_every_output_of_assess_begins_with_it(stopped: Floor, tmp_path: Path) -> None:
    ((run_id,),) = stopped.rows("select run_id from rollcall_ops.runs")
    summary, report = tmp_path / "summary.md", tmp_path / "report"
    document = json.loads(invoke("assess", "--json", "--markdown", str(summary), "--report", str(report)))
    assert document["breaker"]["run_id"] == run_id
    assert "30 of 40 working sessions" in document["breaker"]["evidence"]
    assert document["warnings"][0].startswith(f"the breaker stopped run {run_id}")
    text = summary.read_text()
    assert TITLE in text.splitlines()[0]
    assert "30 of 40 working sessions" in text
    (page,) = report.glob("2*/index.html")
    body = page.read_text().split("<body>", 1)[1]
    assert TITLE in body.split("</h1>", 1)[0]
    for advice in (text, body):
        assert "let `rollcall clean` repair" not in advice
        assert "let <code>rollcall clean</code> repair" not in advice
        assert "data can be trusted" not in advice
        assert "heartbeats and activity reach the database" in advice


def test_the_terminal_begins_with_it_within_80_columns(stopped: Floor) -> None:
    lines = invoke("assess").splitlines()
    assert TITLE in lines[0]
    assert max(map(len, lines)) <= 80
    assert "breaker" in invoke("history").splitlines()[1]


@pytest.mark.medium
@pytest.mark.parametrize("by", ["a person", "the feed"])
def test_it_is_said_until_it_is_dealt_with(stopped: Floor, by: str) -> None:
    """A second night that is stopped does not end it; a person's clean-up or a feed that works does."""
    with pytest.raises(BreakerTripped):
        unattended(stopped)
    assert json.loads(invoke("assess", "--json"))["breaker"] is not None
    if by == "a person":
        invoke("clean", code=0)
    else:
        stopped.rows("update agent_sessions set last_activity = timezone('utc', now())")
        assert json.loads(invoke("assess", "--json"))["breaker"] is not None, "no clean-up has shown it yet"
        invoke("clean", "--unattended", code=0)
    document = json.loads(invoke("assess", "--json"))
    assert document["breaker"] is None
    assert not any("breaker" in warning for warning in document["warnings"])


def test_a_reader_without_the_ledger_judges_all_the_same(stopped: Floor) -> None:
    from psycopg.conninfo import make_conninfo

    from rollcall.steps.assess.assessment import assess
    from rollcall.workspace import Workspace

    stopped.rows("drop role if exists breaker_reader")
    stopped.rows("create role breaker_reader login")
    stopped.rows("grant select on agents, agent_sessions, call_sessions to breaker_reader")
    try:
        settings = dataclasses.replace(
            stopped.workspace.settings, conninfo=make_conninfo(stopped.url, user="breaker_reader")
        )
        workspace = Workspace(settings)
        workspace.project = stopped.workspace.project
        assert assess(workspace).breaker is None
    finally:
        stopped.rows("drop owned by breaker_reader")
        stopped.rows("drop role breaker_reader")
