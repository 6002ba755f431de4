"""The breaker: a heartbeat outage never logs a floor out, an evening's logouts are no outage."""

from __future__ import annotations

import pytest

from rollcall.errors import Refused
from rollcall.ledger.runs import open_run
from rollcall.steps.clean.breaker import check_breaker
from tests.support.floor import Floor


def unattended(floor: Floor) -> int:
    """As `clean --unattended` does it; gives how many sessions it changed."""
    from rollcall.steps.clean.cleaning import clean

    plan = floor.plan()
    with open_run(floor.workspace, "clean") as run:
        check_breaker(floor.workspace, plan)
        return clean(floor.workspace, run, plan, unattended=True).changed


def calls(floor: Floor, agent: int, first: float, last: float, every: float) -> None:
    """Connected calls of an agent from `first` to `last` minutes ago."""
    minutes = first
    while minutes >= last:
        floor.call(agent, minutes, "completed", "inbound", connected=minutes, ended=minutes - 1)
        minutes -= every


def test_a_heartbeat_outage_changes_nothing_and_says_why(floor: Floor) -> None:
    """At 125 minutes ago the heartbeats of 30 of 40 clients ended; the others and their calls go on."""
    for number in range(30):
        agent = floor.agent()
        floor.session(agent, seen=125 + number / 20, heartbeat=125 + number / 20, login=300)
        calls(floor, agent, 240, 200, 20)
    for _ in range(10):
        agent = floor.agent()
        floor.session(agent, seen=1, heartbeat=1, login=300)
        calls(floor, agent, 240, 5, 10)
    before = floor.digest()
    with pytest.raises(
        Refused, match=r"30 of 40 working sessions would be closed, 30 of them last seen betw"
    ):
        unattended(floor)
    assert floor.digest() == before
    ((failure, changed),) = floor.rows("select failure, changed from rollcall_ops.runs")
    assert "the breaker tripped" in failure
    assert changed is None
    assert floor.clean().changed == 30, "a person may execute it"


@pytest.mark.medium
def test_an_evening_s_logout_wave_trips_nothing(floor: Floor) -> None:
    """At the end of the shift 60 of 64 close their browsers without a logout; a night shift of 4 goes on."""
    for number in range(60):
        agent = floor.agent()
        floor.session(agent, seen=125 + number / 15, login=500)
        calls(floor, agent, 300, 140, 20)
    for _ in range(4):
        agent = floor.agent()
        floor.session(agent, seen=1, login=300)
        calls(floor, agent, 300, 5, 20)
    assert unattended(floor) == 60


def test_a_wave_without_any_call_afterwards_trips_nothing(floor: Floor) -> None:
    for number in range(40):
        agent = floor.agent()
        floor.session(agent, seen=125 + number / 15, login=500)
        calls(floor, agent, 300, 140, 40)
    assert unattended(floor) == 40


def test_a_silent_feed_is_said_so(floor: Floor) -> None:
    for number in range(6):
        agent = floor.agent()
        floor.session(agent, seen=130, login=300)
        calls(floor, agent, 60 - number, 30, 60)
    with pytest.raises(Refused, match="the activity feed is silent: .* 6 calls were connected"):
        unattended(floor)


def test_a_feed_in_the_future_is_said_so(floor: Floor) -> None:
    floor.session()
    floor.session(seen=-90)
    with pytest.raises(Refused, match="1 open sessions show life in the future"):
        unattended(floor)
    assert floor.clean().changed == 1, "a person may execute what it does not concern"


@pytest.mark.parametrize("closing", [20, 21])
def test_few_sessions_never_trip_it(floor: Floor, closing: int) -> None:
    for _ in range(closing):
        floor.session(seen=125, login=300)
    agent = floor.agent()
    floor.session(agent, seen=1, login=300)
    calls(floor, agent, 240, 5, 10)
    if closing > 20:
        with pytest.raises(Refused, match="the breaker tripped"):
            unattended(floor)
    else:
        assert unattended(floor) == closing


def test_offline_sessions_need_no_work(floor: Floor) -> None:
    for _ in range(30):
        floor.session(seen=125, login=300, status="offline")
    agent = floor.agent()
    floor.session(agent, seen=1, login=300)
    calls(floor, agent, 240, 5, 10)
    assert unattended(floor) == 30


@pytest.mark.medium
def test_an_outage_is_not_executed_in_small_portions(floor: Floor) -> None:
    """Every five minutes a run closes those whose window has just passed: their sum is what counts."""
    agents = [floor.agent() for _ in range(10)]
    for agent in agents:
        floor.session(agent, seen=1, login=300)
        calls(floor, agent, 240, 5, 10)
    for _ in range(18):
        floor.session(seen=123, login=300)
    assert unattended(floor) == 18
    for _ in range(6):
        floor.session(seen=121, login=300)
    with pytest.raises(Refused, match="24 of 34 working sessions"):
        unattended(floor)
