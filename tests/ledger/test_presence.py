"""Presence intervals: what the looks saw, written as changes, and corrected by later evidence."""

from __future__ import annotations

import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import psycopg
import pytest

from rollcall.errors import Refused
from rollcall.ledger.presence import Look, record_presence
from rollcall.ledger.runs import open_run
from rollcall.servers.postgres import PostgresServer
from rollcall.settings.configuration import load_settings
from rollcall.steps.assess.assessment import assess
from rollcall.steps.migrate.migration import migrate
from rollcall.steps.plan.pending_work import make_plan
from rollcall.steps.undo import undo
from rollcall.workspace import Workspace
from tests.support.call_centre import call_centre, share_compilations
from tests.support.command import rollcall
from tests.support.floor import TABLES, Floor, empty
from tests.support.matrix import quick_first
from tests.support.outages import heartbeat_outage
from tests.support.postgres import fresh_database
from tests.support.presence import GAP, Interval, Played, Stage, expected, merged, play

ALL = """
    select session_id, status, presence, reasons, has_live_call, valid_from, valid_to
    from rollcall.presence_intervals
    order by session_id, valid_from
"""
NOW = "select session_id from rollcall.presence_intervals where valid_to is null"
STORED = "select p.ctid::text, p.xmin::text, p::text from rollcall_ops.presence as p order by 1"


@pytest.fixture(scope="module")
def migrated(server: PostgresServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Floor]:
    with fresh_database(server) as url:
        with psycopg.connect(url) as connection:
            connection.execute(TABLES)
        state = share_compilations(tmp_path_factory.mktemp("presence"))
        settings = load_settings(environment={"ROLLCALL_DATABASE_URL": url, "ROLLCALL_STATE_DIR": str(state)})
        workspace = Workspace(settings)
        with open_run(workspace, "migrate") as run:
            migrate(workspace, run, make_plan(workspace).statements)
        yield Floor(url, workspace)


@pytest.fixture
def floor(migrated: Floor) -> Floor:
    """An empty, migrated floor without a look."""
    empty(migrated)
    migrated.now = datetime.now(UTC).replace(microsecond=0)
    return migrated


def look(floor: Floor, minutes_ago: float | None = None) -> Look:
    """Look as an unattended run does."""
    at = None if minutes_ago is None else floor.now - timedelta(minutes=minutes_ago)
    with open_run(floor.workspace, "clean") as run:
        found = record_presence(run, at)
    assert not found.left_out
    return found


def intervals(floor: Floor, session: str | None = None) -> list[tuple[Any, ...]]:
    """Status, presence, from and to of every interval, or of a session's, in minutes ago."""

    def ago(moment: datetime | None) -> float | None:
        return None if moment is None else round((floor.now - moment).total_seconds() / 60, 3)

    rows = [row for row in floor.rows(ALL) if session in (None, row[0])]
    return [(row[1], row[2], ago(row[5]), ago(row[6])) for row in rows]


def be(floor: Floor, session: str, **values: Any) -> None:
    """What the application writes to a session; times in minutes ago."""
    for name, value in values.items():
        written = floor.at(value) if isinstance(value, (int, float)) else value
        floor.rows(f"update agent_sessions set {name} = %s where id = %s", written, session)


def available_at(
    intervals: list[Interval], moment: datetime, open_before_gap: set[str]
) -> tuple[int, int, int]:
    """How many agents are shown available, of these not gone, and routable; each has one session at a time.

    open_before_gap: the sessions that are open at this moment, if nothing is known of the time after it.
    """
    seen = {
        key: (status, presence, reasons)
        for key, status, presence, reasons, _, begin, end in intervals
        if begin <= moment and (end is None or moment < end or (end == moment and key in open_before_gap))
    }
    shown = [state for state in seen.values() if state[0] == "available"]
    return len(shown), sum(state[1] != "ghost" for state in shown), sum(not state[2] for state in shown)


@pytest.mark.parametrize("seed", quick_first(range(2)))
def test_the_intervals_are_those_that_python_makes_of_all_looks(floor: Floor, seed: int) -> None:
    dice = random.Random(seed)
    minutes = 600
    begin = (floor.now - timedelta(minutes=minutes + 5)).replace(second=0, microsecond=0)
    steady = Played(floor.agent(), begin, signs=[begin + timedelta(minutes=4 * n) for n in range(150)])
    steady.statuses.append((begin, "available"))
    sessions = [steady, *play(dice, [floor.agent() for _ in range(8)], begin, minutes)]
    missing = dice.randrange(20, 90)  # one gap of 40 minutes, and a run that did not come
    looks = [
        begin + timedelta(minutes=5 * n, seconds=dice.uniform(0, 40))
        for n in range(minutes // 5)
        if not missing <= n < missing + 8 and n != 10
    ]
    stage = Stage(floor, sessions)
    with open_run(floor.workspace, "clean") as run:
        for moment in looks:
            stage.show(moment)
            assert not record_presence(run, moment).left_out
    computed = [
        interval
        for number, session in enumerate(sessions)
        if number in stage.keys
        for interval in expected(session, stage.keys[number], looks)
    ]
    found = [(*row[:3], tuple(row[3]), *row[4:]) for row in floor.rows(ALL)]
    assert {row[2] for row in found} == {"there", "ghost"}
    assert merged(found) == merged(computed)
    # and the report's picture of the day is made of them
    before_gaps = {earlier for earlier, later in pairwise(looks) if later - earlier > GAP}
    pictured = [
        (look.look_at, look.shown_available, look.not_gone, look.routable)
        for look in assess(floor.workspace, details=True).looks
    ]
    assert pictured == [
        (moment, *available_at(merged(computed), moment, open_before_gap))
        for moment in looks
        for open_before_gap in [
            {key for number, key in stage.keys.items() if sessions[number].is_open(moment)}
            if moment in before_gaps
            else set()
        ]
    ]
    assert any(look[1] > look[2] for look in pictured), "a ghost was shown available"
    overlaps = """
        select count(*) from rollcall.presence_intervals as a join rollcall.presence_intervals as b
            on b.session_id = a.session_id and b.valid_from > a.valid_from
                and b.valid_from < coalesce(a.valid_to, 'infinity')
    """
    assert floor.rows(overlaps) == [(0,)]


def test_a_look_that_finds_nothing_changed_adds_its_own_row_alone(floor: Floor) -> None:
    for _ in range(20):
        floor.session(seen=3)
    assert look(floor, 10).begun == 20
    stored = floor.rows(STORED)
    assert look(floor, 5) == Look(open_sessions=20, ended=0, begun=0)
    assert floor.rows(STORED) == stored
    assert floor.rows("select count(*) from rollcall_ops.presence_looks") == [(2,)]
    seen = "select distinct last_look_at, observed_every_seconds from rollcall.presence_intervals"
    assert floor.rows(seen) == [(floor.now - timedelta(minutes=5), 300)]


def test_a_change_ends_one_interval_and_begins_another(floor: Floor) -> None:
    session = floor.session(seen=12, login=60)
    floor.session(seen=3)
    look(floor, 10)
    be(floor, session, status="break", last_activity=8)
    assert look(floor, 5) == Look(open_sessions=2, ended=1, begun=1)
    be(floor, session, status="offline", logout_at=2)
    assert look(floor, 0) == Look(open_sessions=1, ended=1, begun=0)
    assert [row for row in intervals(floor) if row[3] is not None] == [
        ("available", "there", 10, 5),
        ("break", "there", 5, 2),  # the logout, and not the look that saw it
    ]


def test_a_login_between_two_looks_begins_the_interval(floor: Floor) -> None:
    look(floor, 10)
    floor.session(seen=7, login=8)
    look(floor, 5)
    assert intervals(floor) == [("available", "there", 8, None)]


def test_of_a_gap_nothing_is_known(floor: Floor) -> None:
    session = floor.session(seen=60, login=90)
    look(floor, 60)
    look(floor, 55)
    be(floor, session, last_activity=31, status="break")
    look(floor, 30)
    assert intervals(floor) == [("available", "there", 60, 55), ("break", "there", 30, None)]
    exact = "select observed_every_seconds, last_look_at from rollcall.presence_intervals order by valid_from"
    assert floor.rows(exact) == [
        (None, floor.now - timedelta(minutes=55)),
        (None, floor.now - timedelta(minutes=30)),
    ]


@pytest.mark.medium
def test_what_proves_abandoned_was_a_ghost_since_its_last_sign_of_life(floor: Floor) -> None:
    """The agent left 150 minutes ago and closed the tab 20 minutes later; a look proves it."""
    session = floor.session(seen=150, login=200)
    floor.session(seen=1)
    for minutes in range(150, 29, -10):
        if minutes == 130:
            be(floor, session, status="offline")
        look(floor, minutes)
    before = [("available", "there", 150, 130), ("offline", "there", 130, None)]
    assert intervals(floor, session) == before
    look(floor, 20)
    assert intervals(floor, session) == [
        ("available", "there", 150, 145),
        ("available", "ghost", 145, 130),
        ("offline", "ghost", 130, 20),
        ("offline", "ghost", 20, None),
    ]
    kept = "select status, presence from rollcall_ops.presence where superseded_by is not null order by 1"
    assert floor.rows(kept) == [("available", "there"), ("offline", "there")]


def test_a_repair_ends_the_interval_when_it_was_written(floor: Floor) -> None:
    session = floor.session(seen=180, login=300)
    look(floor)
    floor.clean(unattended=True)
    look(floor)
    ((repaired_at,),) = floor.rows("select changed_at from rollcall_ops.changes")
    ((presence, valid_to),) = floor.rows("select presence, valid_to from rollcall.presence_intervals")
    assert presence == "ghost"
    assert valid_to == repaired_at
    ((run_id,),) = floor.rows("select run_id from rollcall_ops.changes")
    undo(floor.workspace, run_id, approved_by="test")
    look(floor)
    reopened = "select session_id, presence from rollcall.presence_intervals where valid_to is null"
    assert floor.rows(reopened) == [(session, "ghost")]


def test_a_call_that_rings_at_a_ghost_proves_nothing(floor: Floor) -> None:
    agent = floor.agent()
    floor.session(agent, seen=300, login=400)
    look(floor, 10)
    call = floor.call(agent, 6, "ringing", "inbound")
    look(floor, 5)
    assert intervals(floor)[-1] == ("available", "unknown", 5, None)
    floor.rows("update call_sessions set status = 'missed_call', ended_at = started_at where id = %s", call)
    look(floor, 0)
    assert {row[1] for row in intervals(floor)} == {"ghost"}


@pytest.mark.medium
def test_an_interval_without_a_reason_is_that_of_a_routable_agent(database: str, tmp_path: Path) -> None:
    centre = call_centre(database, tmp_path)
    with open_run(centre.workspace, "migrate") as run:
        migrate(centre.workspace, run, centre.plan().statements)
    for is_on in (False, True):
        if is_on:
            centre.rows("insert into rollcall_ops.flags (name, is_on) values ('route_by_heartbeat', true)")
        with open_run(centre.workspace, "clean") as run:
            assert not record_presence(run).left_out
        routable = centre.rows("select session_id::text from rollcall.routable_agents order by 1")
        assert centre.rows(f"{NOW} and is_routable order by 1") == routable
        assert routable or is_on
    abandoned = centre.rows(
        "select session_id::text from rollcall.agent_sessions"
        " where 'abandoned_session' = any(defects) order by 1"
    )
    assert centre.rows(f"{NOW} and presence = 'ghost' order by 1") == abandoned
    assert abandoned


def test_old_intervals_are_pruned_and_what_goes_on_is_kept(floor: Floor) -> None:
    session = floor.session(seen=12, login=60)
    look(floor, 10)
    be(floor, session, status="break")
    look(floor, 5)
    old = "update rollcall_ops.presence set {0} = {0} - interval '500 days' where {0} < 'infinity'"
    floor.rows(old.format("valid_from"))
    floor.rows(old.format("valid_to"))
    look(floor, 0)
    assert [(status, to) for status, _, _, to in intervals(floor)] == [("break", None)]


def test_a_look_waits_for_no_strong_lock_of_the_application(floor: Floor) -> None:
    """An ALTER TABLE of the application takes longer than a look may: the run goes on without the look."""
    floor.session(seen=1)
    with open_run(floor.workspace, "clean") as run:
        with floor.connect(autocommit=False) as application:
            application.execute("lock table agent_sessions in access exclusive mode")
            assert "timeout" in record_presence(run).left_out
        assert record_presence(run).begun == 1, "the run's connection works"
    assert floor.rows("select count(*) from rollcall_ops.presence_looks") == [(1,)]


def test_a_run_that_lost_its_lease_records_nothing(floor: Floor) -> None:
    floor.session(seen=1)
    with open_run(floor.workspace, "clean") as run:
        floor.rows("update rollcall_ops.lease set token = token + 1")
        with pytest.raises(Refused, match="lost its lease"):
            record_presence(run)
    assert floor.rows("select count(*) from rollcall_ops.presence") == [(0,)]


def test_an_unattended_clean_up_records_presence(floor: Floor, tmp_path: Path) -> None:
    session = floor.session(seen=180)
    cleaned = rollcall("clean", url=floor.url, state=tmp_path)
    assert "Presence" not in cleaned.stdout
    floor.rows("update agent_sessions set status = 'available', logout_at = null")
    cleaned = rollcall("clean", "--unattended", url=floor.url, state=tmp_path)
    assert cleaned.returncode == 0, cleaned.stderr
    assert "Presence of 1 open sessions recorded: 0 intervals ended, 1 began." in cleaned.stdout
    assert floor.rows("select session_id, presence from rollcall.presence_intervals") == [(session, "ghost")]
    assert floor.rows("select status from agent_sessions") == [("offline",)], "seen before it was repaired"


def test_in_an_outage_of_the_feed_nothing_is_recorded(floor: Floor, tmp_path: Path) -> None:
    """Evidence that points at the feed says nothing of agents: a gap is better than a floor of ghosts."""
    heartbeat_outage(floor)
    assert rollcall("clean", "--unattended", url=floor.url, state=tmp_path).returncode == 4
    assert floor.rows("select count(*) from rollcall_ops.presence_looks") == [(0,)]


def test_where_nothing_is_migrated_a_clean_up_says_so(database: str, tmp_path: Path) -> None:
    centre = call_centre(database, tmp_path)
    cleaned = rollcall("clean", "--unattended", url=database, state=tmp_path)
    assert "Presence was not recorded" in cleaned.stdout
    assert "`rollcall migrate` makes it" in cleaned.stdout
    assert centre.rows("select count(*) from rollcall_ops.presence") == [(0,)]
