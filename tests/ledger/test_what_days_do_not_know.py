"""What a built day cannot know is null, what it once knew stays, and what may go on is not counted yet."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from rollcall.ledger.runs import open_run
from rollcall.steps.migrate.migration import migrate
from rollcall.steps.plan.pending_work import make_plan
from rollcall.workspace import Workspace
from tests.support.builds import BERLIN, START, Zoned, built, in_zone, one_agent

pytestmark = pytest.mark.medium  # several compilations

END = START + timedelta(days=6)
OFFERED = "select business_day::text, sum(calls_offered) from rollcall.queue_intervals group by 1 order by 1"


def deploy(workspace: Workspace) -> None:
    with open_run(workspace, "migrate") as run:
        migrate(workspace, run, make_plan(workspace).statements)


def test_a_day_without_calls_keeps_its_zero_when_the_calls_of_its_time_are_gone(berlin: Zoned) -> None:
    one_agent(berlin)
    berlin.rows("delete from call_sessions where started_at < %s", datetime(2026, 7, 7))
    berlin.rows("delete from call_sessions where started_at::date = '2026-07-08'")
    built(berlin, END)
    before = berlin.rows(OFFERED)
    assert before[:3] == [("2026-07-06", None), ("2026-07-07", 1), ("2026-07-08", 0)]
    berlin.rows("delete from call_sessions where started_at < %s", datetime(2026, 7, 9))
    built(berlin, END, full=True)
    assert berlin.rows(OFFERED) == before
    assert built(berlin, END).days == 4
    assert berlin.rows(OFFERED) == before


def test_a_call_that_may_go_on_is_neither_offered_nor_abandoned_yet(berlin: Zoned) -> None:
    agent = berlin.agent()
    berlin.rows(
        "insert into call_sessions (agent_id, status, direction, started_at, connected_at, ended_at)"
        " values (%s, 'martian', 'inbound', '2026-07-06 09:00', null, null),"
        " (%s, 'ringing', 'inbound', '2026-07-06 09:01', null, 'infinity'),"
        " (%s, 'martian', 'inbound', '2026-07-06 09:02', '2026-07-06 09:03', null),"
        " (%s, 'martian', 'inbound', '2026-07-06 09:04', null, '2026-07-06 09:05')",
        *[agent] * 4,
    )
    counts = (
        "select sum(calls_offered), sum(calls_answered), sum(calls_abandoned) from rollcall.queue_intervals"
    )
    built(berlin, START + timedelta(hours=2))
    assert berlin.rows(counts) == [(2, 1, 1)]
    built(berlin, START + timedelta(hours=6))
    assert berlin.rows(counts) == [(4, 1, 3)]


def test_a_day_that_was_built_without_after_call_work_does_not_say_that_there_was_none(berlin: Zoned) -> None:
    one_agent(berlin)
    built(berlin, END)
    berlin.rows("delete from call_sessions where started_at < %s", datetime(2026, 7, 8))
    knows = {"other_working_statuses": ["wrap_up"], "after_call_statuses": ["wrap_up"]}
    workspace = in_zone(berlin.url, berlin.state, BERLIN, **knows)
    deploy(workspace)
    assert built(berlin, END, full=True, workspace=workspace).kept_days == 2
    shown = berlin.rows("select after_call_seconds from rollcall.agent_days order by business_day")
    deploy(berlin.workspace)  # as the other tests expect it
    assert [seconds for (seconds,) in shown] == [None, None, 0, 0, 0, 0]
