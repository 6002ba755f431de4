"""Cleaning under triggers, rules, policies and publications of the application, and as its own role."""

from __future__ import annotations

import psycopg
import pytest

from rollcall.errors import Refused
from rollcall.steps.verify import verify
from tests.support.cleaning import reasons
from tests.support.floor import NOW, Between, Floor, drop_trigger, make_trigger

# --- what the application's schema does ---------------------------------------------------------------


def test_a_row_that_a_trigger_refuses_does_not_stop_the_others(floor: Floor) -> None:
    refused, *others = [floor.session() for _ in range(9)]
    make_trigger(floor, f"if new.id = '{refused}' then raise 'not this one'; end if; return new;")
    try:
        result = floor.clean()
    finally:
        drop_trigger(floor)
    assert result.changed == len(others)
    assert reasons(result) == {refused: "refused by the database: not this one"}
    assert len(floor.changes()) == len(others)


def test_a_row_that_a_trigger_keeps_is_reported_and_not_recorded(floor: Floor) -> None:
    kept, other = floor.session(), floor.session()
    make_trigger(floor, f"if new.id = '{kept}' then return null; end if; return new;")
    try:
        result = floor.clean()
    finally:
        drop_trigger(floor)
    assert reasons(result) == {kept: "a trigger of the application kept the row as it was"}
    assert [key for _, key in floor.changes()] == [other]


def test_when_the_database_refuses_every_row_we_give_up(floor: Floor) -> None:
    for _ in range(12):
        floor.session()
    make_trigger(floor, "raise 'never';")
    try:
        result = floor.clean(workspace=floor.with_settings(refusals_in_a_row_max=3))
    finally:
        drop_trigger(floor)
    assert (result.changed, len(result.skipped)) == (0, 12)
    assert sum(reason.startswith("not tried") for reason in reasons(result).values()) >= 8


def test_refusals_with_others_in_between_are_no_reason_to_give_up(floor: Floor) -> None:
    """They are counted in a row: a few broken rows among many sound ones stop no run."""
    refused = [floor.session() for _ in range(12)][::2]
    make_trigger(floor, f"if new.id = any('{{{','.join(refused)}}}') then raise 'never'; end if; return new;")
    try:
        workspace = floor.with_settings(
            refusals_in_a_row_max=4, first_batch_rows=1, largest_batch_rows=1, batch_growth=1
        )
        result = floor.clean(workspace=workspace)
    finally:
        drop_trigger(floor)
    assert result.changed == 6
    assert reasons(result) == dict.fromkeys(refused, "refused by the database: never")


def test_an_updated_at_trigger_is_named_and_not_hidden(floor: Floor) -> None:
    floor.rows("alter table agent_sessions add column updated_at timestamp(3)")
    try:
        session = floor.session()
        make_trigger(floor, f"new.updated_at = {NOW}; return new;")
        result = floor.clean()
        proof = verify(floor.workspace, result.run_id).proof
        assert floor.row(session)["updated_at"] is not None
        assert proof is not None
        assert proof.holds
        assert proof.other_columns == {"updated_at": 1}
    finally:
        drop_trigger(floor)
        floor.rows("alter table agent_sessions drop column updated_at")


def test_row_level_security_is_refused_beforehand(floor: Floor) -> None:
    floor.session()
    before = floor.digest()
    floor.rows("create role cleaner")
    try:
        floor.rows("grant select, update on agent_sessions to cleaner")
        floor.rows("grant select on agents, call_sessions to cleaner")
        floor.rows("alter table agent_sessions enable row level security")
        with pytest.raises(Refused, match="row-level security hides rows"):
            floor.clean(floor.plan(), floor.with_settings(clean_role="cleaner"))
    finally:
        floor.rows("alter table agent_sessions disable row level security")
        floor.rows("drop owned by cleaner")
        floor.rows("drop role cleaner")
    assert floor.digest() == before


def test_calls_that_are_hidden_only_once_the_run_has_begun_are_not_taken_for_none(
    floor: Floor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A role that cannot see the calls must not conclude that there are none."""
    agent = floor.agent()
    session = floor.session(agent)
    before = floor.images()
    plan = floor.plan()
    floor.rows("create role cleaner")

    def hide() -> None:
        floor.call(agent, started=0, status="connected")
        floor.rows("alter table call_sessions enable row level security")

    Between(monkeypatch, hide, "look_around")
    try:
        floor.rows("grant select, update on agent_sessions to cleaner")
        floor.rows("grant select on agents, call_sessions to cleaner")
        result = floor.clean(plan, floor.with_settings(clean_role="cleaner"))
    finally:
        floor.rows("alter table call_sessions disable row level security")
        floor.rows("drop owned by cleaner")
        floor.rows("drop role cleaner")
    assert "affected by row-level security" in reasons(result)[session]
    assert floor.images() == before


def test_a_table_without_primary_key_is_refused(floor: Floor) -> None:
    floor.session()
    before = floor.digest()
    floor.rows("alter table agent_sessions drop constraint agent_sessions_pkey")
    try:
        with pytest.raises(Refused, match="no primary key"):
            floor.clean()
    finally:
        floor.rows("alter table agent_sessions add primary key (id)")
    assert floor.digest() == before


@pytest.mark.parametrize("identity", ["nothing", "an index that is gone"])
def test_a_publication_that_makes_every_update_fail_is_refused(floor: Floor, identity: str) -> None:
    session = floor.session()
    if identity == "nothing":
        floor.rows("alter table agent_sessions replica identity nothing")
    else:
        floor.rows("create unique index identifying on agent_sessions (id)")
        floor.rows("alter table agent_sessions replica identity using index identifying")
        floor.rows("drop index identifying")
    floor.rows("create publication feed for table agent_sessions")
    try:
        with pytest.raises(psycopg.errors.ObjectNotInPrerequisiteState):
            floor.rows("update agent_sessions set status = 'offline'")
        with pytest.raises(Refused, match="publication feed publishes updates") as refusal:
            floor.clean()
        assert floor.row(session)["status"] == "available"
        advice = "alter table public.agent_sessions replica identity default"
        assert advice in str(refusal.value)
        floor.rows(advice)
        assert floor.clean().changed == 1
    finally:
        floor.rows("drop publication feed")
        floor.rows("alter table agent_sessions replica identity default")


def test_a_rule_that_rewrites_every_update_is_refused(floor: Floor) -> None:
    session = floor.session()
    floor.rows("create rule quiet as on update to agent_sessions where new.status = 'x' do instead nothing")
    try:
        with pytest.raises(Refused, match="rule quiet rewrites every update of public.agent_sessions"):
            floor.clean()
    finally:
        floor.rows("drop rule quiet on agent_sessions")
    assert floor.row(session)["status"] == "available"


# --- the role -----------------------------------------------------------------------------------------


def test_the_clean_up_role_needs_select_and_update_of_three_columns(floor: Floor) -> None:
    floor.session()
    floor.session(seen=30, status="on_call", call=floor.call(None, 90, ended=80))
    floor.rows("create role cleaner")
    try:
        floor.rows("grant select on agents, agent_sessions, call_sessions to cleaner")
        workspace = floor.with_settings(clean_role="cleaner")
        plan = floor.plan()
        with pytest.raises(Refused, match="cleaner may not update status of the sessions") as refusal:
            floor.clean(plan, workspace)
        assert "grant update (status) on" in str(refusal.value)
        floor.rows("grant update (status, logout_at, current_call_session_id) on agent_sessions to cleaner")
        make_trigger(floor, "if current_user <> 'cleaner' then raise '%', current_user; end if; return new;")
        assert floor.clean(plan, workspace).changed == 2
        for statement in (
            "delete from agent_sessions",
            "truncate agent_sessions",
            "update agent_sessions set last_activity = now()",
            "insert into agent_sessions (agent_id, login_at, last_activity) values (1, now(), now())",
            "update call_sessions set status = 'completed'",
            "delete from rollcall_ops.changes",
            "update rollcall_ops.changes set remedy = ''",
        ):
            with floor.connect(autocommit=False) as connection:
                connection.execute("set local role cleaner")
                with pytest.raises(psycopg.errors.InsufficientPrivilege):
                    connection.execute(statement)
    finally:
        drop_trigger(floor)
        floor.rows("drop owned by cleaner")
        floor.rows("drop role cleaner")
