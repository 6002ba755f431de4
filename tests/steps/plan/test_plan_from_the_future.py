"""An instant that is later than now is not believed: of a plan file, of a stored plan, or of a caller.

The attack: the server's clock is hours ahead while a plan is made. Executed after the clock was corrected, it
closed sessions with recent signs of life and with live calls.
"""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rollcall.errors import Refused
from rollcall.ledger.runs import open_run
from rollcall.steps.plan.pending_work import Body, Plan
from rollcall.steps.plan.stored import read_plan, store_plan, write_plan
from tests.support.floor import Floor

AHEAD = timedelta(hours=5)
INSTANTS = ("made_at", "judged_at", "cutoff", "expires_at")


def shifted(plan: Plan, by: timedelta, names: tuple[str, ...] = INSTANTS, body: Body | None = None) -> Plan:
    """The plan as a server whose clock is ahead makes it; its hash is right."""
    instants = {name: (datetime.fromisoformat(plan.header[name]) + by).isoformat() for name in names}
    body = body or plan.body
    counts = {"change_count": body.change_count, "body": body.digest, "remedies": dict(body.by_remedy)}
    return Plan({**plan.header, **instants, **counts}, body, plan.statements)


def closing(floor: Floor, *sessions: str) -> Plan:
    """A plan of five hours ahead that closes these sessions at their last activity."""
    floor.session()
    real = floor.plan()
    (template,) = real.changes()
    body = Body()
    for document in real.body.documents("statement"):
        body.add({"line": "statement", **document})
    for session in sessions:
        row = floor.row(session)
        call = row["current_call_session_id"]
        rules = ["abandoned_session", *(["orphaned_call_reference"] if call else [])]
        before: dict[str, Any] = {"status": row["status"], "current_call_id": call and str(call)}
        after = {"status": "offline", "current_call_id": None, "logout_at": row["last_activity"].isoformat()}
        body.add(
            {
                "line": "change",
                **template,
                "session_id": session,
                "agent_id": str(row["agent_id"]),
                "rules": rules,
                "before": {**before, "logout_at": None},
                "after": after,
            }
        )
    return shifted(real, AHEAD, body=body)


def test_a_plan_file_of_a_clock_that_was_ahead_is_refused(floor: Floor, tmp_path: Path) -> None:
    session = floor.session(seen=30)
    path = tmp_path / "plan.jsonl"
    write_plan(closing(floor, session), path)
    before = floor.digest()
    with pytest.raises(Refused, match="is later than the server's clock"):
        read_plan(floor.workspace, str(path))
    assert floor.digest() == before


def test_a_stored_plan_of_a_clock_that_was_ahead_is_refused(floor: Floor) -> None:
    plan = closing(floor, floor.session(seen=30))
    with open_run(floor.workspace, "plan") as run:
        store_plan(run, plan)
    with pytest.raises(Refused, match="is later than the server's clock"):
        read_plan(floor.workspace, plan.hash)


@pytest.mark.parametrize("name", ["made_at", "judged_at"])
def test_each_instant_of_the_header_is_compared_with_the_clock(
    floor: Floor, tmp_path: Path, name: str
) -> None:
    path = tmp_path / "plan.jsonl"
    names = (name, "cutoff") if name == "judged_at" else (name,)
    write_plan(shifted(floor.plan(), timedelta(minutes=2), names), path)
    with pytest.raises(Refused, match=f"{name}.*is later than the server's clock"):
        read_plan(floor.workspace, str(path))


def test_a_clock_that_was_ahead_by_less_than_the_tolerance_is_no_reason_to_refuse(
    floor: Floor, tmp_path: Path
) -> None:
    session = floor.session()
    path = tmp_path / "plan.jsonl"
    write_plan(shifted(floor.plan(), timedelta(seconds=30)), path)
    assert floor.clean(read_plan(floor.workspace, str(path))).changed == 1
    assert floor.row(session)["status"] == "offline"


def test_a_plan_that_expires_later_than_the_configuration_allows_is_refused(
    floor: Floor, tmp_path: Path
) -> None:
    path = tmp_path / "plan.jsonl"
    write_plan(shifted(floor.plan(), timedelta(days=300), ("expires_at",)), path)
    with pytest.raises(Refused, match="expires later than plan_expires_hours allows"):
        read_plan(floor.workspace, str(path))


def test_an_instant_ahead_finds_nothing_that_is_not_due_now(floor: Floor) -> None:
    floor.session(seen=30)
    plan = floor.plan(floor.now + AHEAD)
    assert plan.change_count == 0
    assert plan.judged_at < datetime.now(UTC) + timedelta(minutes=1)


def test_under_the_lock_an_instant_ahead_is_not_believed(floor: Floor) -> None:
    """The step itself, handed such a plan: sessions with recent life and with a live call are kept."""
    recent = floor.session(seen=30)
    agent = floor.agent()
    talking = floor.session(
        agent, seen=250, status="on_call", call=floor.call(agent, 20, "connected", connected=19)
    )
    plan = closing(floor, recent, talking)
    before = {key: floor.row(key) for key in (recent, talking)}
    result = floor.clean(plan)
    assert {key: floor.row(key) for key in (recent, talking)} == before
    assert result.changed == 0
    assert {skip["session_id"] for skip in result.skipped} == {recent, talking}


def test_the_command_refuses_with_its_exit_code(
    floor: Floor, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from rollcall.cli import main

    path = tmp_path / "plan.jsonl"
    session = floor.session(seen=30)
    write_plan(closing(floor, session), path)
    monkeypatch.setenv("ROLLCALL_DATABASE_URL", floor.url)
    monkeypatch.setenv("ROLLCALL_STATE_DIR", str(floor.workspace.settings.state_directory))
    monkeypatch.setattr("sys.argv", ["rollcall", "clean", "--plan", str(path)])
    with pytest.raises(SystemExit) as end:
        main()
    said = capsys.readouterr()
    assert end.value.code == 4
    assert len(said.err.strip().splitlines()) == 1
    assert "is later than the server's clock" in said.err
    assert floor.row(session)["status"] == "available"
    assert json.loads(path.read_text().splitlines()[0])["line"] == "plan"
