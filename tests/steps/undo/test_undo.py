"""Undo: rows that still are what we wrote get their values back; the others are left alone and named."""

from __future__ import annotations

from typing import Any

import psycopg
import pytest

from rollcall.errors import ConfigurationError, LeaseHeld
from rollcall.ledger.runs import open_run, past_runs
from rollcall.steps.batches.worker import Worker
from rollcall.steps.undo import UndoResult, undo
from rollcall.steps.verify import verify
from tests.support.floor import NOW, Floor, drop_trigger, make_trigger


def undone(floor: Floor, run_id: str, **named: Any) -> UndoResult:
    return undo(floor.workspace, run_id, approved_by="me", **named)


def three_kinds(floor: Floor) -> list[str]:
    return [
        floor.session(status="on_call", call=floor.call(None, 500, ended=400)),
        floor.session(seen=30, status="on_call"),
        floor.session(seen=30, status="break", call=floor.call(None, 90, ended=80)),
    ]


def test_a_commit_that_is_not_heard_of_counts_once(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    """The connection is lost between the commit and its answer; the batch is tried again on another one."""
    three_kinds(floor)
    damaged, transaction, lost = floor.digest(), Worker.run_batch, list[str]()

    def lose(worker: Worker, connection: Any, batch: Any) -> Any:
        result = transaction(worker, connection, batch)
        if worker.batches.run.id not in lost:
            lost.append(worker.batches.run.id)
            connection.close()
            raise psycopg.OperationalError("server closed the connection unexpectedly")
        return result

    monkeypatch.setattr(Worker, "run_batch", lose)
    cleaned = floor.clean()
    assert (cleaned.changed, cleaned.skipped) == (3, [])
    back = undone(floor, cleaned.run_id)
    assert (back.changed, back.conflicts, floor.digest()) == (3, [], damaged)
    assert lost == [cleaned.run_id, back.run_id]
    assert floor.rows("select changed from rollcall_ops.runs") == [(3,), (3,)]


@pytest.mark.medium
def test_clean_undo_clean_undo_undo_the_undo_digests_are_equal_at_each_stage(floor: Floor) -> None:
    three_kinds(floor)
    damaged = floor.digest()
    first = floor.clean()
    repaired = floor.digest()
    assert repaired != damaged

    back = undone(floor, first.run_id)
    assert (back.changed, back.conflicts, floor.digest()) == (3, [], damaged)
    second = floor.clean()
    assert (second.changed, floor.digest()) == (3, repaired)
    back = undone(floor, second.run_id)
    assert floor.digest() == damaged
    again = undone(floor, back.run_id)
    assert (again.changed, floor.digest()) == (3, repaired)

    runs = {run["run_id"]: run for run in past_runs(floor.workspace)}
    assert runs[first.run_id]["undone_by"] is not None
    assert runs[back.run_id]["undone_by"] == again.run_id
    assert runs[second.run_id]["undone_by"] is None, "what an undone undo had undone holds again"
    assert [run["command"] for run in runs.values()] == ["undo", "undo", "clean", "undo", "clean"]
    assert {run["changed"] for run in runs.values()} == {3}
    proof = verify(floor.workspace, again.run_id).proof
    assert proof is not None
    assert proof.holds


def test_what_changed_since_survives_and_is_listed_with_what_changed(floor: Floor) -> None:
    closed, reset, cleared = three_kinds(floor)
    run_id = floor.clean().run_id
    floor.rows("update agent_sessions set status = 'ended' where id = %s", closed)
    floor.rows(f"update agent_sessions set last_activity = {NOW}, status = 'available' where id = %s", reset)
    before = floor.images()
    result = undone(floor, run_id)
    assert result.changed == 1
    assert {c["session_id"]: c["reason"] for c in result.conflicts} == {
        closed: "changed since: status",
        reset: "changed since: last_activity, status",
    }
    after = floor.images()
    assert {k: v for k, v in after.items() if k != cleared} == {
        k: v for k, v in before.items() if k != cleared
    }
    assert after[cleared]["current_call_session_id"] is not None
    document = result.to_json()
    assert (document["restored"], len(document["conflicts"]), document["undoes"]) == (1, 2, run_id)


def test_a_row_that_is_gone_is_a_conflict(floor: Floor) -> None:
    session = floor.session()
    run_id = floor.clean().run_id
    floor.rows("delete from agent_sessions")
    assert undone(floor, run_id).conflicts == [{"session_id": session, "reason": "no longer in the table"}]


def test_a_dry_run_says_the_same_and_changes_nothing(floor: Floor) -> None:
    sessions = three_kinds(floor)
    run_id = floor.clean().run_id
    floor.rows("update agent_sessions set status = 'ended' where id = %s", sessions[0])
    floor.rows("delete from agent_sessions where id = %s", sessions[1])
    before, runs = floor.digest(), floor.rows("select * from rollcall_ops.runs")
    preview = undone(floor, run_id, dry_run=True)
    assert (floor.digest(), floor.rows("select * from rollcall_ops.runs")) == (before, runs)
    assert preview.to_json()["run_id"] is None
    real = undone(floor, run_id)
    assert (preview.changed, sorted_by_key(preview)) == (real.changed, sorted_by_key(real))


def sorted_by_key(result: UndoResult) -> list[dict[str, str]]:
    return sorted(result.conflicts, key=lambda conflict: conflict["session_id"])


def test_undone_twice_nothing_is_left_to_restore(floor: Floor) -> None:
    session = floor.session()
    run_id = floor.clean().run_id
    assert undone(floor, run_id).changed == 1
    again = undone(floor, run_id)
    assert again.changed == 0
    assert again.conflicts == [
        {"session_id": session, "reason": "already as it was before the run"},
    ]


def test_an_unknown_run_is_said_so(floor: Floor) -> None:
    with pytest.raises(ConfigurationError, match="no run 20260101T000000Z-0000 is recorded"):
        undone(floor, "20260101T000000Z-0000")


@pytest.mark.medium
def test_beside_another_run_it_leaves_at_once(floor: Floor) -> None:
    floor.session()
    run_id = floor.clean().run_id
    with open_run(floor.workspace, "clean"), pytest.raises(LeaseHeld):
        undone(floor, run_id)


def test_a_locked_row_is_left_alone_and_reported(floor: Floor) -> None:
    locked, _ = floor.session(), floor.session()
    run_id = floor.clean().run_id
    with floor.connect(autocommit=False) as application:
        application.execute("select 1 from agent_sessions where id = %s for update", [locked])
        result = undone(floor, run_id)
    assert result.changed == 1
    assert result.conflicts == [
        {"session_id": locked, "reason": "locked by another transaction until the end"}
    ]


def test_what_a_trigger_wrote_cannot_be_restored_and_is_named(floor: Floor) -> None:
    floor.rows("alter table agent_sessions add column updated_at timestamp(3)")
    try:
        session = floor.session()
        make_trigger(floor, f"new.updated_at = {NOW}; return new;")
        result = undone(floor, floor.clean().run_id)
        assert (result.changed, dict(result.not_restored)) == (1, {"updated_at": 1})
        assert floor.row(session)["status"] == "available"
    finally:
        drop_trigger(floor)
        floor.rows("alter table agent_sessions drop column updated_at")


def test_a_row_that_a_trigger_keeps_is_reported_and_not_recorded(floor: Floor) -> None:
    kept, other = floor.session(), floor.session()
    run_id = floor.clean().run_id
    make_trigger(floor, f"if old.id = '{kept}' then return null; end if; return new;")
    try:
        result = undone(floor, run_id)
    finally:
        drop_trigger(floor)
    assert result.changed == 1
    assert result.conflicts == [
        {"session_id": kept, "reason": "a trigger of the application kept the row as it was"}
    ]
    assert floor.row(kept)["status"] == "offline"
    assert floor.row(other)["status"] == "available"


def test_a_column_that_came_later_does_not_matter(floor: Floor) -> None:
    floor.session()
    before = floor.digest()
    run_id = floor.clean().run_id
    floor.rows("alter table agent_sessions add column note text default 'new'")
    try:
        assert undone(floor, run_id).changed == 1
    finally:
        floor.rows("alter table agent_sessions drop column note")
    assert floor.digest() == before


# --- held back from unattended runs ----------------------------------------------------------------------


def test_the_next_unattended_run_leaves_alone_what_a_person_undid(floor: Floor) -> None:
    agent = floor.agent()
    session, other = floor.session(agent), floor.session()
    undone(floor, floor.clean().run_id)
    floor.rows("delete from agent_sessions where id = %s", other)
    for _ in range(2):
        result = floor.clean(unattended=True)
        assert result.changed == 0
        assert result.skipped == [
            {
                "session_id": session,
                "reason": "held back: a person undid its repair, and its agent has shown no life since",
            }
        ]


@pytest.mark.parametrize("where", ["in the session", "in another session"])
def test_it_is_held_back_until_its_agent_shows_life(floor: Floor, where: str) -> None:
    agent = floor.agent()
    session = floor.session(agent)
    undone(floor, floor.clean().run_id)
    floor.rows("update rollcall_ops.held_sessions set held_at = now() - interval '170 minutes'")
    if where == "in the session":  # and then it falls silent again
        floor.rows(
            f"update agent_sessions set last_activity = {NOW} - interval '130 minutes' where id = %s", session
        )
    else:
        floor.session(agent, seen=125, logout=124)
    assert floor.clean(unattended=True).changed == 1


def test_a_person_who_plans_it_releases_it(floor: Floor) -> None:
    session = floor.session()
    undone(floor, floor.clean().run_id)
    assert floor.clean().changed == 1
    assert floor.row(session)["status"] == "offline"
    assert floor.rows("select released_at is not null from rollcall_ops.held_sessions") == [(True,)]


def test_a_session_whose_undo_was_undone_is_no_longer_held_back(floor: Floor) -> None:
    floor.session()
    back = undone(floor, floor.clean().run_id)
    undone(floor, back.run_id)
    assert floor.rows("select released_at is not null from rollcall_ops.held_sessions") == [(True,)]


# --- the proof -------------------------------------------------------------------------------------------


@pytest.mark.medium
@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("delete from agent_sessions where status = 'offline'", {"rows_missing": 1}),
        ("delete from rollcall_ops.changes where remedy = 'close'", {"unreached": 1}),
        (
            "update rollcall_ops.changes set after_image = after_image || '{\"agent_id\": 0}'"
            " where remedy = 'close'",
            {"other_columns_changed": 1},
        ),
        ("delete from rollcall_ops.skips", {"unreached": 1}),
        ("delete from agent_sessions where status = 'available'", {"rows_missing": 1}),
    ],
    ids=[
        "a row is gone",
        "a change without its image",
        "another column",
        "a lost skip",
        "a skipped row is gone",
    ],
)
def test_a_proof_that_does_not_hold_says_what_differs(
    floor: Floor, damage: str, found: dict[str, int]
) -> None:
    three_kinds(floor)
    came_back = floor.session()
    plan = floor.plan()
    floor.rows(f"update agent_sessions set last_activity = {NOW} where id = %s", came_back)
    run_id = floor.clean(plan).run_id
    sound = verify(floor.workspace, run_id).proof
    assert sound is not None
    assert sound.holds
    assert (sound.planned, sound.changed, sound.skipped) == (4, 3, 1)
    floor.rows(damage)
    proof = verify(floor.workspace, run_id).proof
    assert proof is not None
    assert not proof.holds
    differences = ("rows_missing", "unreached", "other_columns_changed")
    assert {name: getattr(proof, name) for name in differences if getattr(proof, name)} == found


def test_what_the_application_does_after_us_is_no_flaw_of_the_proof(floor: Floor) -> None:
    closed, *_ = three_kinds(floor)
    run_id = floor.clean().run_id
    floor.session()
    floor.rows("update agent_sessions set status = 'ended' where id = %s", closed)
    proof = verify(floor.workspace, run_id).proof
    assert proof is not None
    assert proof.holds
    assert (proof.changed_since, proof.changed_since_keys) == (1, (closed,))


# --- regret ------------------------------------------------------------------------------------------------


@pytest.mark.medium
@pytest.mark.parametrize(
    ("life", "sign"),
    [
        (f"update agent_sessions set last_activity = {NOW}", "active"),
        ("update agent_sessions set logout_at = null", "open again"),
        (
            "insert into agent_sessions (agent_id, login_at, last_activity)"
            f" select agent_id, {NOW}, {NOW} from agent_sessions",
            "active in another session",
        ),
        (
            "insert into call_sessions (agent_id, direction, started_at, status)"
            f" select agent_id, 'outbound', {NOW}, 'initiated' from agent_sessions",
            "on a call",
        ),
        (
            "insert into agent_sessions (agent_id, login_at, last_activity)"
            f" select agent_id, {NOW} + interval '9 hours', {NOW} + interval '9 hours' from agent_sessions",
            None,
        ),
        (
            "insert into call_sessions (agent_id, direction, started_at, ended_at, status)"
            f" select agent_id, 'inbound', {NOW}, {NOW}, 'missed_call' from agent_sessions",
            None,
        ),
    ],
    ids=["active", "open again", "another session", "on a call", "tomorrow's login", "rung in vain"],
)
def test_regret_is_life_shown_after_we_closed_the_session(floor: Floor, life: str, sign: str | None) -> None:
    agent = floor.agent()
    session = floor.session(agent)
    run_id = floor.clean().run_id
    assert verify(floor.workspace, run_id).regrets == ()
    floor.rows(life)
    regrets = verify(floor.workspace, run_id).regrets
    assert [(r.session_id, r.agent_id, r.sign) for r in regrets] == (
        [(session, str(agent), sign)] if sign else []
    )
    assert verify(floor.workspace).regrets == regrets


@pytest.mark.medium
def test_an_older_duplicate_is_a_regret_only_if_it_shows_life_itself(floor: Floor) -> None:
    agent = floor.agent()
    older, newer = floor.session(agent, login=600), floor.session(agent, seen=1, login=60)
    run_id = floor.clean().run_id
    assert floor.changes() == [(run_id, older)]
    floor.rows(f"update agent_sessions set last_activity = {NOW} where id = %s", newer)
    floor.rows(
        "insert into call_sessions (agent_id, direction, started_at, status)"
        f" values (%s, 'outbound', {NOW}, 'initiated')",
        agent,
    )
    assert verify(floor.workspace, run_id).regrets == ()
    floor.rows(f"update agent_sessions set logout_at = {NOW} where id = %s", newer)
    assert verify(floor.workspace, run_id).regrets == ()
    floor.rows(f"update agent_sessions set last_activity = {NOW} where id = %s", older)
    assert [(r.session_id, r.sign) for r in verify(floor.workspace, run_id).regrets] == [(older, "active")]
