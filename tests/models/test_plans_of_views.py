"""Plans of queries on the views: too cheap for a compilation, and no more is read than needed."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from rollcall.sandbox.demo import DefectCounts, Scale
from rollcall.servers.postgres import PostgresServer
from tests.support.call_centre import CallCentre, call_centre
from tests.support.plans import nodes, rows_read
from tests.support.postgres import fresh_database

pytestmark = pytest.mark.medium  # a large call centre is made

JIT_ABOVE_COST = 100_000  # PostgreSQL's default; a compilation takes seconds, whatever the query returns
SCALE = Scale(agents=300, sessions=60_000, calls=120_000, days=60)
EXPLAIN = "explain (analyze, timing off, format json)"
SESSIONS = "select * from rollcall.agent_sessions where"
DAY = "{0} >= current_date - 20 and {0} < current_date - 19"
AGENT = "agent_id = 17"
LOGIN_DAY = DAY.format("login_at")
LOGOUT_DAY = DAY.format("logout_at")


@pytest.fixture(scope="module")
def centre(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CallCentre]:
    """A floor of 260 agents at work and a long history, migrated, with fresh statistics."""
    with fresh_database(server) as url:
        folder = tmp_path_factory.mktemp("views")
        centre = call_centre(url, folder, scale=SCALE, defects=DefectCounts.sound(SCALE))
        centre.run()
        centre.rows("vacuum (analyze)")
        yield centre


def plan_of(centre: CallCentre, query: str) -> dict[str, Any]:
    ((documents,),) = centre.rows(f"{EXPLAIN} {query}")
    plan: dict[str, Any] = documents[0]["Plan"]
    return plan


def open_sessions(centre: CallCentre) -> int:
    return int(centre.rows("select count(*) from agent_sessions where logout_at is null")[0][0])


@pytest.mark.parametrize(
    "query",
    [
        "select * from rollcall.routable_agents",
        "select * from rollcall.routability",
        f"{SESSIONS} {AGENT}",
        f"{SESSIONS} {LOGIN_DAY}",
        f"{SESSIONS} {LOGOUT_DAY}",
        f"{SESSIONS} is_open",
    ],
)
def test_no_view_is_worth_a_compilation(centre: CallCentre, query: str) -> None:
    """With the calls of each agent expected a hundredfold, a plan of this size costs millions."""
    plan = plan_of(centre, query)
    assert plan["Actual Rows"] > 0
    assert plan["Total Cost"] < JIT_ABOVE_COST / 4


def test_routing_reads_the_open_sessions_once_and_the_calls_of_available_agents(centre: CallCentre) -> None:
    plan = plan_of(centre, "select * from rollcall.routable_agents")
    assert rows_read(plan, "agent_sessions") <= open_sessions(centre)
    lookups = [
        node["Actual Loops"]
        for node in nodes(plan)
        if node.get("Index Name") == "rollcall_calls_of_agent" and node["Actual Loops"]
    ]
    ((available,),) = centre.rows(
        "select count(distinct agent_id) from agent_sessions where logout_at is null and status = 'available'"
    )
    assert max(lookups) <= available < open_sessions(centre)


@pytest.mark.parametrize("condition", [AGENT, LOGIN_DAY, LOGOUT_DAY])
def test_the_sessions_of_an_agent_or_a_day_are_read_and_no_others(centre: CallCentre, condition: str) -> None:
    plan = plan_of(centre, f"{SESSIONS} {condition}")
    found = plan["Actual Rows"]
    assert 50 < found < SCALE.sessions / 20
    assert rows_read(plan, "agent_sessions") <= found + 3 * open_sessions(centre)
    # the calls of the agents whose open sessions are shown, not those of the floor
    assert rows_read(plan, "call_sessions") <= 20


@pytest.mark.parametrize("state", ["is null", "is not null"])
def test_one_session_is_read_by_its_key(centre: CallCentre, state: str) -> None:
    ((key,),) = centre.rows(f"select id from agent_sessions where logout_at {state} order by id limit 1")
    plan = plan_of(centre, f"{SESSIONS} session_id = '{key}'")
    assert plan["Actual Rows"] == 1
    # whether the others are heard is in their own columns
    assert rows_read(plan, "agent_sessions") <= open_sessions(centre) + 20
    assert rows_read(plan, "call_sessions") <= 20


def test_the_history_is_not_read_for_the_open_sessions(centre: CallCentre) -> None:
    plan = plan_of(centre, f"{SESSIONS} is_open")
    assert plan["Actual Rows"] == open_sessions(centre)
    assert rows_read(plan, "agent_sessions") <= 6 * open_sessions(centre)


def test_columns_that_a_query_leaves_out_are_not_calculated(centre: CallCentre) -> None:
    def plan(columns: str) -> str:
        ((documents,),) = centre.rows(
            f"explain (verbose, format json) select {columns} from rollcall.agent_sessions"
        )
        return json.dumps(documents)

    for rule in ("closed_but_working", "duplicate_open_session"):
        assert f"'{rule}'" in plan("defects"), "the names of the rules stand in the plan that finds them"
        assert f"'{rule}'" not in plan("count(*), sum(duration_seconds)")


def test_a_silent_floor_costs_routing_no_reading_of_all_calls(centre: CallCentre) -> None:
    """No open session shows life, so each agent's calls of the window decide whether the feed is broken."""
    with psycopg.connect(centre.url) as connection:
        connection.execute(
            """
            update agent_sessions
            set login_at = login_at - interval '9 days', last_activity = last_activity - interval '9 days'
            where logout_at is null
            """
        )
        ((documents,),) = connection.execute(f"{EXPLAIN} select * from rollcall.routable_agents")
        connection.rollback()
    assert rows_read(documents[0]["Plan"], "call_sessions") < SCALE.calls / 20
