"""Plans of queries on the views: too cheap for a compilation, and no more is read than needed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from rollcall.demo import DefectCounts, Scale
from rollcall.servers.postgres import PostgresServer
from tests.support.call_centre import CallCentre, call_centre
from tests.support.plans import nodes, rows_read
from tests.support.postgres import fresh_database

JIT_ABOVE_COST = 100_000  # PostgreSQL's default; a compilation takes seconds, whatever the query returns
SCALE = Scale(agents=300, sessions=60_000, calls=120_000, days=60)


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
    ((documents,),) = centre.rows(f"explain (analyze, timing off, format json) {query}")
    plan: dict[str, Any] = documents[0]["Plan"]
    return plan


def open_sessions(centre: CallCentre) -> int:
    return int(centre.rows("select count(*) from agent_sessions where logout_at is null")[0][0])


def test_routing_is_not_worth_a_compilation(centre: CallCentre) -> None:
    """With the calls of each agent expected a hundredfold, a plan of this size costs millions."""
    plan = plan_of(centre, "select * from rollcall.routable_agents")
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
