"""The breaker among backlogs, several outages, slow ones, and outages that reach over two runs."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rollcall.errors import BreakerTripped
from tests.support import floor as floors
from tests.support.floor import Floor
from tests.support.outages import Group, alive, fill, ghosts, leavers, outage, unattended


def is_stopped(floor: Floor) -> bool:
    """Whether the breaker stops an unattended clean-up; then nothing of the application changed."""
    before = floor.digest()
    try:
        unattended(floor)
    except BreakerTripped:
        assert floor.digest() == before
        return True
    return False


def test_a_backlog_that_was_cleaned_up_lately_does_not_hide_an_outage(floor: Floor) -> None:
    """A hundred scattered ghosts are closed by the first unattended run; then the feed of 30 of 40 ends."""
    fill(floor, ghosts(100), alive(40))
    assert unattended(floor) == 100
    floor.rows("delete from call_sessions")
    floor.rows("delete from agent_sessions where logout_at is null")
    fill(floor, outage(30), alive(10))
    before = floor.digest()
    with pytest.raises(BreakerTripped, match=r"30 of 40 working sessions would be closed, 30 of them"):
        unattended(floor)
    assert floor.digest() == before


def test_a_backlog_that_is_still_open_does_not_hide_an_outage(floor: Floor) -> None:
    fill(floor, ghosts(100), outage(30), alive(10))
    assert is_stopped(floor)


def test_several_outages_are_one_suspicion(floor: Floor) -> None:
    """Three gateways fail one after the other, each with the clients of fifteen agents."""
    fill(floor, outage(15, 122), outage(15, 160), outage(15, 200), alive(12))
    assert is_stopped(floor)


def test_a_slow_outage_is_one(floor: Floor) -> None:
    """A certificate expires, and client after client fails to connect again within half an hour."""
    fill(floor, outage(30, 122, spread=28), alive(10))
    assert is_stopped(floor)


def test_a_second_outage_after_another_wave_is_one(floor: Floor) -> None:
    """Yesterday's leavers are more, and their calls ended; they do not hide today's outage."""
    fill(floor, leavers(60, seen=240, spread=3), outage(25, seen=122), alive(10))
    assert is_stopped(floor)


def test_agents_who_logged_in_after_the_outage_do_not_dilute_it(floor: Floor) -> None:
    late = Group(40, seen=1, login=90)
    fill(floor, outage(30), alive(10), late)
    assert is_stopped(floor)


def test_an_outage_over_two_runs_is_one_outage(floor: Floor) -> None:
    fill(floor, outage(18, seen=123, spread=1), alive(20), ghosts(50))
    assert unattended(floor) == 68
    fill(floor, outage(22, seen=121, spread=1))
    assert is_stopped(floor)


def test_leavers_closed_in_portions_trip_nothing(floor: Floor) -> None:
    """Each run closes the part of the wave whose window has passed; its last part is as much a wave."""
    fill(floor, leavers(40, seen=128, spread=3), alive(4))
    assert unattended(floor) == 40
    fill(floor, leavers(2, seen=121, spread=1))
    assert unattended(floor) == 2


def test_a_stray_session_before_a_wave_does_not_move_the_hours_that_are_compared(floor: Floor) -> None:
    """The wave's calls before it count, also where a lone session fell silent an hour and a half earlier."""
    fill(
        floor,
        Group(1, seen=276),
        leavers(26, seen=167, spread=2.5),
        leavers(14, seen=164, spread=1),
        alive(10),
    )
    assert not is_stopped(floor)


def test_a_handover_to_the_next_shift_trips_nothing(floor: Floor) -> None:
    """The day's shift leaves without a logout; as many log in after it and are called as often."""
    night = Group(30, seen=1, calls_until=5, login=118)
    fill(floor, leavers(40), night)
    floor.rows(
        "delete from call_sessions where agent_id in (select agent_id from agent_sessions where login_at >"
        " timezone('utc', now()) - interval '119 minutes') and connected_at <"
        " timezone('utc', now()) - interval '118 minutes'"
    )
    assert unattended(floor) == 40


def test_old_sessions_of_agents_who_logged_in_again_are_no_outage(floor: Floor) -> None:
    """Every client was restarted: the old sessions end together, and their agents are there."""
    fill(floor, outage(40), alive(4))
    floor.rows(
        "insert into agent_sessions (agent_id, status, login_at, last_activity)"
        " select agent_id, 'available', timezone('utc', now()) - interval '124 minutes',"
        " timezone('utc', now()) from agent_sessions"
        " where last_activity < timezone('utc', now()) - interval '2 hours' limit 38"
    )
    assert unattended(floor) == 40


@pytest.mark.parametrize("moment", ["-infinity", "0044-03-15 BC", "4713-01-01 BC", "294276-12-31 23:59:59"])
def test_an_extreme_time_hides_no_outage(floor: Floor, moment: str) -> None:
    fill(floor, outage(30), alive(10), ghosts(2))
    floor.rows(
        "update agent_sessions set login_at = %s::timestamp where last_activity <"
        " timezone('utc', now()) - interval '3 hours'"
        " or ctid = (select max(ctid) from agent_sessions where last_activity >"
        " timezone('utc', now()) - interval '1 hour')",
        moment,
    )
    assert is_stopped(floor)


@pytest.mark.medium
@settings(
    max_examples=8,
    deadline=None,
    derandomize=True,
    phases=(Phase.explicit, Phase.generate),
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(
    outages=st.lists(
        st.tuples(st.integers(5, 30), st.floats(121, 180), st.floats(0, 4)), min_size=1, max_size=3
    ),
    remaining=st.integers(3, 40),
    backlog=st.integers(0, 120),
    is_cleaned_before=st.booleans(),
    is_wave=st.booleans(),
)
def test_an_outage_trips_it_and_a_wave_does_not(
    floor: Floor,
    outages: list[tuple[int, float, float]],
    remaining: int,
    backlog: int,
    is_cleaned_before: bool,
    is_wave: bool,
) -> None:
    """The share is of the sessions that were open then, whatever the backlog, and whether it is closed."""
    floors.empty(floor)
    silent = sum(size for size, _, _ in outages)
    fill(floor, ghosts(backlog))
    if is_cleaned_before:
        fill(floor, alive(remaining))
        assert unattended(floor) == backlog
    make = leavers if is_wave else outage
    fill(floor, *(make(size, seen, spread) for size, seen, spread in outages))
    if not is_cleaned_before:
        fill(floor, alive(remaining))
    share = silent / (silent + remaining)
    if is_wave or silent <= 20 or share <= 0.5:
        assert not is_stopped(floor)
    else:
        assert is_stopped(floor)
