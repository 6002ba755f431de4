"""Detaching: our views go, so that the application can change its tables; nothing else does."""

from __future__ import annotations

from collections.abc import Iterator

import psycopg
import pytest

from rollcall.errors import LeaseHeld, Refused
from rollcall.ledger.runs import open_run
from rollcall.steps.clean.cleaning import clean
from rollcall.steps.detach import detach
from tests.support.live_migration import Live, Original
from tests.support.views import VIEWS


@pytest.fixture
def live(original: Original) -> Iterator[Live]:
    with original.live() as live:
        live.migrate()
        yield live


def schemas(live: Live) -> set[str]:
    return {name for (name,) in live.rows("select nspname from pg_namespace where nspname like 'rollcall%'")}


@pytest.mark.medium
def test_the_application_can_change_its_tables_and_run_makes_the_views_again(live: Live) -> None:
    change = "alter table agent_sessions alter column last_activity type timestamp(6)"
    with pytest.raises(psycopg.errors.FeatureNotSupported, match="used by a view or rule"):
        live.rows(change)
    views = "select viewname, definition from pg_views where schemaname = 'rollcall' order by 1"
    before, definitions = live.catalog(), live.rows(views)
    assert {name for name, _ in definitions} >= set(VIEWS)

    result = detach(live.workspace)

    assert set(result.dropped) == {"rollcall", *(f"rollcall.{name}" for name, _ in definitions)}
    assert schemas(live) == {"rollcall_ops"}
    assert live.differences(before).unexpected == ()
    columns = "statement, attempts, outcome"
    recorded = live.rows(
        f"select {columns} from rollcall_ops.statements where run_id = %s order by 1", result.run_id
    )
    assert [row[1:] for row in recorded] == [(1, "dropped"), (1, "dropped")]
    assert recorded[0][0] == 'drop schema "rollcall"'
    assert recorded[1][0].startswith('drop view "rollcall".')
    live.rows(change)
    assert live.rows(
        "select column_name from information_schema.columns where column_name = 'last_heartbeat'"
    )
    live.rows("alter table agent_sessions alter column last_activity type timestamp(3)")
    live.migrate()
    live.assert_complete()
    assert live.rows(views) == definitions


@pytest.mark.medium
def test_the_ledger_with_its_before_images_stays_unless_it_is_asked_for(live: Live) -> None:
    plan = live.plan()
    with open_run(live.workspace, "clean") as run:
        clean(live.workspace, run, plan)
    images = live.rows("select run_id, session_id, before_image from rollcall_ops.changes order by 1, 2")
    assert images

    result = detach(live.workspace)
    assert result.kept[0]["object"] == "rollcall_ops"
    assert "before-images" in result.kept[0]["reason"]
    assert (
        live.rows("select run_id, session_id, before_image from rollcall_ops.changes order by 1, 2") == images
    )
    assert live.rows("select command from rollcall_ops.runs where run_id = %s", result.run_id) == [
        ("detach",)
    ]

    again = detach(live.workspace)
    assert (again.dropped, again.run_id) == ([], None)

    result = detach(live.workspace, ledger=True)
    assert "rollcall_ops.changes" in result.dropped
    assert "rollcall_ops" in result.dropped
    assert schemas(live) == set()
    assert detach(live.workspace, ledger=True).dropped == []
    live.migrate()
    live.assert_complete()


@pytest.mark.medium
def test_what_depends_on_our_views_is_named_and_nothing_goes(live: Live) -> None:
    live.rows("create schema analysts")
    live.rows("create view analysts.mine as select session_id from rollcall.agent_sessions")
    with pytest.raises(Refused, match=r"view analysts.mine depends on view rollcall.agent_sessions"):
        detach(live.workspace)
    assert schemas(live) == {"rollcall", "rollcall_ops"}
    assert live.pending() == []
    outcomes = live.outcomes()[-2:]
    assert all(outcome.startswith("failed: view analysts.mine depends on") for _, outcome in outcomes)


@pytest.mark.medium
def test_a_foreign_object_in_our_schema_stays_and_grants_are_told(live: Live) -> None:
    live.rows("create role reporting")
    try:
        live.rows("grant usage on schema rollcall to reporting")
        live.rows("grant select on rollcall.routable_agents to reporting with grant option")
        live.rows("create table rollcall.theirs as select 1 as n")
        result = detach(live.workspace)
        assert result.grants == ["grant select on rollcall.routable_agents to reporting with grant option"]
        assert result.kept[0] == {
            "object": "rollcall",
            "reason": "other objects are in it: table rollcall.theirs",
        }
        assert live.rows("select n from rollcall.theirs") == [(1,)]
        live.migrate()
        live.rows("drop table rollcall.theirs")
        for grant in result.grants:
            live.rows(grant)
        assert detach(live.workspace).grants == [
            "grant usage on schema rollcall to reporting",
            "grant select on rollcall.routable_agents to reporting with grant option",
        ]
    finally:
        live.rows("drop owned by reporting")
        live.rows("drop role reporting")


@pytest.mark.medium
def test_a_long_query_of_an_analyst_is_named_and_nothing_goes(live: Live) -> None:
    with live.reader("select count(*) from rollcall.agent_sessions") as pid:
        with pytest.raises(Refused, match=f"could not be dropped: .*server process {pid} "):
            detach(live.impatient().workspace)
        assert live.pending() == []
        assert f"server process {pid} " in live.outcomes()[-1][1]


@pytest.mark.medium
def test_beside_another_run_it_leaves(live: Live) -> None:
    for ledger in (False, True):
        with open_run(live.workspace, "run"), pytest.raises(LeaseHeld):
            detach(live.workspace, ledger=ledger)
    assert live.pending() == []
