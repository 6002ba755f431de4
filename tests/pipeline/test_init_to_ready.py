"""From an unknown schema to READY: init, the decisions of a person, migrate and clean."""

from __future__ import annotations

import json
import re
from pathlib import Path

import psycopg
import pytest

from tests.support.command import rollcall
from tests.support.paths import ROOT

SCHEMA = ROOT / "tests" / "shapes" / "row_per_agent_django" / "schema.sql"
# what docs/fit-your-database.md decides
DECISIONS = {
    "# break_status: null": "break_status: lunch",
    "other_working_statuses:": "other_working_statuses: [wrapup, training, meeting, system_issues]",
    "live_call_statuses:": (
        "live_call_statuses: [initiated, ringing, answered, conference]\n"
        "over_call_statuses: [answered, busy, no_answer, failed, hangup, transferred]"
    ),
}


@pytest.mark.medium
def test_a_row_per_agent_becomes_ready(database: str, tmp_path: Path) -> None:
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(SCHEMA.read_text("utf-8"))  # type: ignore[call-overload]
        file = tmp_path / "rollcall.yml"

        def run(*arguments: str) -> str:
            done = rollcall(*arguments, url=database, state=tmp_path, ROLLCALL_CONFIG=str(file))
            assert done.returncode == 0, done.stdout + done.stderr
            return done.stdout

        proposed = json.loads(run("init", "--yes", "--json", "--out", str(file)))
        assert proposed["problem"] == ""
        assert proposed["assessment"]["pending_changes"] == 3
        text = file.read_text("utf-8")
        for beginning, decided in DECISIONS.items():
            text, count = re.subn(rf"(?m)^{re.escape(beginning)}.*$", decided, text)
            assert count == 1
        file.write_text(text, "utf-8")

        run("migrate")
        run("clean")
        assert json.loads(run("assess", "--json"))["verdict"] == "READY"
        query = "select user_id, status, current_call_id from users_agentstatus order by user_id"
        assert connection.execute(query).fetchall() == [
            (1, "available", ""),
            (2, "offline", ""),
            (3, "available", ""),
            (4, "wrapup", ""),
            (5, "busy", "5"),
        ]
        routable = "select agent_id::text from rollcall.routable_agents order by 1"
        assert connection.execute(routable).fetchall() == [("1",), ("3",)]
