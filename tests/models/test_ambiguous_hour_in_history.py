"""The hour that autumn has twice, in the history: a defect is claimed only where every reading shows it."""

from __future__ import annotations

import uuid
from collections.abc import Iterator

import pytest

from rollcall.sandbox.demo import DefectCounts, Scale, Variant
from rollcall.servers.postgres import PostgresServer
from rollcall.steps.assess.assessment import assess
from tests.support.call_centre import CallCentre, call_centre
from tests.support.postgres import fresh_database

SCALE = Scale(agents=30, sessions=200, calls=400, days=5)
HISTORY = {"reversed_session_times", "reversed_call_times", "activity_after_logout"}


@pytest.fixture(scope="module")
def berlin(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[CallCentre]:
    """A sound call centre whose application writes Berlin's wall clock, migrated."""
    with fresh_database(server) as url:
        sound = DefectCounts.sound(SCALE, Variant())
        centre = call_centre(
            url,
            tmp_path_factory.mktemp("state"),
            {"app_time_zone": "Europe/Berlin"},
            defects=sound,
            scale=SCALE,
        )
        centre.run()
        yield centre


def add_call(centre: CallCentre, started: str, ended: str) -> str:
    key = str(uuid.uuid4())
    centre.rows(
        "insert into call_sessions (id, agent_id, status, direction, started_at, connected_at, ended_at)"
        " values (%s, (select min(id) from agents), 'completed', 'inbound', %s, %s, %s)",
        *(key, started, started, ended),
    )
    return key


def add_session(centre: CallCentre, login: str, activity: str, logout: str) -> str:
    key = str(uuid.uuid4())
    centre.rows(
        "insert into agent_sessions (id, agent_id, status, login_at, last_activity, logout_at)"
        " values (%s, (select min(id) from agents), 'offline', %s, %s, %s)",
        *(key, login, activity, logout),
    )
    return key


def violations(centre: CallCentre) -> dict[str, set[str]]:
    """Rule of the history to the keys that violate it, as `assess --history` names them."""
    rules = assess(centre.workspace, history=True, full_history=True).rules
    return {rule.name: set(rule.sample_keys) for rule in rules if rule.name in HISTORY}


# The last Sunday of October: at 03:00 it is 02:00 again, so a time from 02:00 to 03:00 is there twice.
CALLS = {  # start, end: whether the call ended before it began
    ("2024-10-27 02:50", "2024-10-27 02:10"): False,
    ("2024-10-27 02:59:59.999", "2024-10-27 02:00"): False,
    ("2024-10-27 02:30", "2024-10-27 02:30"): False,
    ("2024-10-27 02:50", "2024-10-27 01:59:59.999"): True,
    ("2024-10-27 03:00", "2024-10-27 02:59:59.999"): True,
    ("2024-10-26 02:50", "2024-10-26 02:10"): True,
    ("2024-10-27 01:50", "2024-10-27 01:10"): True,
    ("2024-10-27 03:50", "2024-10-27 03:10"): True,
}
SESSIONS = {  # login, activity, logout: the rules that are violated
    ("2024-10-27 00:00", "2024-10-27 02:03", "2024-10-27 01:59"): set(),
    ("2024-10-27 00:00", "2024-10-27 02:09", "2024-10-27 01:59"): set(),
    ("2024-10-27 00:00", "2024-10-27 02:10", "2024-10-27 01:59"): {"activity_after_logout"},
    ("2024-10-27 00:00", "2024-10-27 02:59", "2024-10-27 02:01"): set(),
    ("2024-10-27 00:00", "2024-10-27 03:05", "2024-10-27 02:55"): set(),
    ("2024-10-27 00:00", "2024-10-27 03:06", "2024-10-27 02:55"): {"activity_after_logout"},
    ("2024-10-27 00:00", "2024-10-27 03:05", "2024-10-27 01:59"): {"activity_after_logout"},
    ("2024-10-26 00:00", "2024-10-26 02:50", "2024-10-26 02:10"): {"activity_after_logout"},
    ("2024-10-27 02:50", "2024-10-27 02:10", "2024-10-27 02:10"): set(),
    ("2024-10-27 02:50", "2024-10-27 01:50", "2024-10-27 01:50"): {"reversed_session_times"},
    ("2024-10-27 03:50", "2024-10-27 03:10", "2024-10-27 03:10"): {"reversed_session_times"},
}


@pytest.mark.medium
def test_calls_are_reversed_where_every_reading_is(berlin: CallCentre) -> None:
    keys = {times: add_call(berlin, *times) for times in CALLS}
    found = violations(berlin)
    assert found["reversed_call_times"] == {
        keys[times] for times, is_reversed in CALLS.items() if is_reversed
    }


@pytest.mark.medium
def test_sessions_have_the_defects_that_every_reading_shows(berlin: CallCentre) -> None:
    keys = {times: add_session(berlin, *times) for times in SESSIONS}
    found = violations(berlin)
    for rule in ("reversed_session_times", "activity_after_logout"):
        assert found[rule] == {keys[times] for times, rules in SESSIONS.items() if rule in rules}, rule
    view = dict(
        berlin.rows("select session_id::text, (defects, duration_seconds)::text from rollcall.agent_sessions")
    )
    assert view[keys["2024-10-27 02:50", "2024-10-27 02:10", "2024-10-27 02:10"]] == "({},1200)"
    assert (
        view[keys["2024-10-27 02:50", "2024-10-27 01:50", "2024-10-27 01:50"]]
        == "({reversed_session_times},)"
    )
