"""plan, migrate, clean, undo and verify as commands: exit codes and the JSON that they promise."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from rollcall.cli import main
from rollcall.errors import BreakerTripped
from rollcall.pipeline import steps
from rollcall.pipeline.job import Approval, Job
from rollcall.steps.plan.stored import write_plan
from tests.support.call_centre import call_centre, share_compilations
from tests.support.floor import Floor
from tests.support.outages import heartbeat_outage


@dataclass
class Outcome:
    code: int
    document: Any
    errors: str


Command = Callable[..., Outcome]


@pytest.fixture
def rollcall(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Command:
    """Run the command in this process, with ``--json``."""

    def run(url: str, *arguments: str) -> Outcome:
        monkeypatch.setenv("ROLLCALL_DATABASE_URL", url)
        monkeypatch.setenv("ROLLCALL_STATE_DIR", str(share_compilations(tmp_path / "state")))
        monkeypatch.setattr(sys, "argv", ["rollcall", *arguments, "--json"])
        capsys.readouterr()
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        said = capsys.readouterr()
        return Outcome(code, json.loads(said.out) if said.out else None, said.err)

    return run


def said_in(errors: str) -> str:
    """The last line on standard error, without the name of the command before it."""
    return errors.strip().splitlines()[-1].removeprefix("rollcall: ")


def test_plan_migrate_clean_undo_verify(database: str, tmp_path: Path, rollcall: Command) -> None:
    centre = call_centre(database, tmp_path)
    pending = centre.planted.pending_changes
    before = centre.images()
    path = str(tmp_path / "plan.jsonl")

    plan = rollcall(database, "plan", "--out", path)
    assert plan.code == 0
    assert len(plan.document["changes"]) == pending
    assert json.loads(Path(path).read_text().splitlines()[0])["hash"] == plan.document["hash"]

    migrated = rollcall(database, "migrate", "--plan", path)
    assert (migrated.code, migrated.document["skipped"]) == (0, [])
    assert set(migrated.document) >= {"run_id", "executed", "skipped"}

    cleaned = rollcall(database, "clean", "--plan", path)
    assert cleaned.code == 0
    assert cleaned.document == {
        "run_id": cleaned.document["run_id"],
        "planned": pending,
        "changed": pending,
        "skipped": [],
    }
    run_id = cleaned.document["run_id"]

    verified = rollcall(database, "verify", "--run", run_id)
    assert (verified.code, verified.document["verdict"]) == (0, "READY")
    proof = verified.document["proof"]
    assert proof["holds"]
    assert (proof["planned"], proof["changed"], proof["plan_hash"]) == (
        pending,
        pending,
        plan.document["hash"],
    )
    assert verified.document["regret"] == []

    preview = rollcall(database, "undo", run_id, "--dry-run")
    assert (preview.code, preview.document["restored"], preview.document["run_id"]) == (0, pending, None)
    undone = rollcall(database, "undo", run_id)
    assert (undone.code, undone.document["restored"], undone.document["conflicts"]) == (0, pending, [])
    for key, image in centre.images().items():
        assert {name: image[name] for name in before[key]} == before[key]

    held = rollcall(database, "clean", "--unattended")
    assert (held.code, held.document["changed"], len(held.document["skipped"])) == (0, 0, pending)
    assert {skip["reason"].partition(":")[0] for skip in held.document["skipped"]} == {"held back"}
    assert rollcall(database, "undo", "20260101T000000Z-0000").code == 2

    history = rollcall(database, "history").document
    assert [run["command"] for run in history] == ["clean", "undo", "clean", "migrate"]
    assert history[2]["undone_by"] == undone.document["run_id"]
    assert "(plan " in history[2]["approved_by"]
    assert "(unattended)" in history[0]["approved_by"]
    assert all(run["finished_at"] for run in history)

    content = Path(path).read_text()
    Path(path).write_text(content.replace("available", "aveilable", 1))
    refused = rollcall(database, "clean", "--plan", path)
    assert refused.code == 4
    assert refused.document == {"error": said_in(refused.errors), "exit_code": 4}
    assert "is not as it was made" in refused.errors


@pytest.mark.medium
def test_a_role_that_may_only_read_the_application_is_told_what_is_missing(
    floor: Floor, rollcall: Command
) -> None:
    floor.session()
    run_id = floor.clean().run_id
    floor.rows("create role reader login")
    try:
        floor.rows("grant select on agents, agent_sessions, call_sessions to reader")
        url = floor.url.replace("postgres@", "reader@", 1)
        for command in ("assess", "verify"):
            judged = rollcall(url, command)
            assert judged.code in (0, 11), judged.errors
            assert any("may not read rollcall_ops.flags" in text for text in judged.document["warnings"])
        assert any("nothing is said of past migrations" in text for text in judged.document["warnings"])
        assert judged.document["regret"] == []
        for arguments in (
            ("flags",),
            ("flags", "pause_cleaning", "on"),
            ("history",),
            ("verify", "--run", run_id),
            ("undo", run_id, "--dry-run"),
            ("clean", "--plan", "0123456789abcdef"),
        ):
            refused = rollcall(url, *arguments)
            assert refused.code == 1, arguments
            assert refused.document == {"error": said_in(refused.errors), "exit_code": 1}, arguments
            assert "permission denied for schema rollcall_ops" in refused.errors
            assert "grant this one usage on schema rollcall_ops" in refused.errors
        floor.rows("grant usage on schema rollcall_ops to reader")
        floor.rows("grant select on all tables in schema rollcall_ops to reader")
        assert rollcall(url, "verify", "--run", run_id).document["proof"]["holds"]
        assert [flag["name"] for flag in rollcall(url, "flags").document] == [
            "route_by_heartbeat",
            "pause_cleaning",
        ]
        assert "permission denied for table flags" in rollcall(url, "flags", "pause_cleaning", "on").errors
    finally:
        floor.rows("drop owned by reader")
        floor.rows("drop role reader")


def test_clean_unattended_through_an_outage_exits_with_4_and_says_why(
    floor: Floor, rollcall: Command
) -> None:
    heartbeat_outage(floor)
    before = floor.digest()
    tripped = rollcall(floor.url, "clean", "--unattended")
    assert tripped.code == 4
    assert tripped.document == {"error": said_in(tripped.errors), "exit_code": 4}
    assert "The breaker tripped" in tripped.errors
    assert floor.digest() == before
    assert rollcall(floor.url, "clean").code == 0


@pytest.mark.medium
def test_without_a_role_of_its_own_a_clean_up_says_so_and_goes_on(
    floor: Floor, rollcall: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    floor.session()
    without = rollcall(floor.url, "clean")
    assert (without.code, without.document["changed"]) == (0, 1)
    assert "No ROLLCALL_CLEAN_ROLE is set" in without.errors
    assert "No ROLLCALL_CLEAN_ROLE" not in rollcall(floor.url, "clean").errors, "there is nothing to do"
    floor.session()
    floor.rows("create role cleaner")
    try:
        floor.rows("grant select on agents, agent_sessions, call_sessions to cleaner")
        floor.rows("grant update (status, logout_at, current_call_session_id) on agent_sessions to cleaner")
        monkeypatch.setenv("ROLLCALL_CLEAN_ROLE", "cleaner")
        under_role = rollcall(floor.url, "clean")
        assert (under_role.code, under_role.document["changed"]) == (0, 1)
        assert "No ROLLCALL_CLEAN_ROLE" not in under_role.errors
    finally:
        floor.rows("drop owned by cleaner")
        floor.rows("drop role cleaner")


def test_a_stored_plan_is_executed_by_its_hash(floor: Floor, rollcall: Command) -> None:
    floor.session()
    stored = rollcall(floor.url, "plan", "--store")
    assert stored.code == 0
    cleaned = rollcall(floor.url, "clean", "--plan", stored.document["hash"])
    assert (cleaned.code, cleaned.document["changed"]) == (0, 1)
    again = rollcall(floor.url, "clean", "--plan", stored.document["hash"])
    assert again.code == 5
    assert again.document["skipped"][0]["reason"].startswith("already repaired by run")


def test_the_person_who_approved_a_plan_is_recorded(floor: Floor, rollcall: Command) -> None:
    floor.session()
    plan_hash = rollcall(floor.url, "plan", "--store").document["hash"]
    without_plan = rollcall(floor.url, "clean", "--approved-by", "Ada Lovelace")
    assert without_plan.code == 2
    assert "names no person, or no plan" in without_plan.errors
    assert floor.changes() == []
    cleaned = rollcall(floor.url, "clean", "--plan", plan_hash, "--approved-by", "Ada Lovelace")
    assert (cleaned.code, cleaned.document["changed"]) == (0, 1)
    newest = rollcall(floor.url, "history").document[0]
    assert newest["approved_by"].startswith(f"Ada Lovelace (plan {plan_hash})")


def job(floor: Floor, approval: Approval, source: str | None = None) -> Job:
    """What a flow is asked to do, without Prefect."""
    return Job(floor.workspace, "run", approval, source)


@pytest.mark.medium
def test_run_with_an_approved_plan_asks_nothing_and_executes_just_that(floor: Floor, tmp_path: Path) -> None:
    planned = floor.session()
    floor.session(seen=1)
    path = str(tmp_path / "plan.jsonl")
    write_plan(floor.plan(), Path(path))
    late = floor.session()
    with job(floor, Approval.ASK, path) as asked:
        pending = steps.plan(asked)
        approved = steps.approve(asked, pending)
        steps.migrate(asked, approved)
        assert steps.clean(asked, approved).changed == 1
    assert floor.row(planned)["status"] == "offline"
    assert floor.row(late)["status"] == "available"
    ((approved_by, plan_hash, ended),) = floor.rows(
        "select approved_by, plan_hash, finished_at is not null from rollcall_ops.runs"
    )
    assert path in approved_by
    assert plan_hash == pending.hash
    assert ended, "the run ends with the job"


def test_a_scheduled_run_through_an_outage_changes_nothing(floor: Floor) -> None:
    heartbeat_outage(floor)
    before = floor.digest()
    with job(floor, Approval.SCHEDULE) as asked:
        pending = steps.plan(asked)
        with pytest.raises(BreakerTripped, match="the breaker tripped") as refusal:
            steps.approve(asked, pending)
        ((run_id, failure),) = floor.rows("select run_id, failure from rollcall_ops.runs")
        assert refusal.value.run_id == run_id
        assert "BreakerTripped" in failure, "the lease is free and the refusal recorded before the job ends"
    assert floor.digest() == before
