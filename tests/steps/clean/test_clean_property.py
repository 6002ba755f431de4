"""Plan and result against docs/domain.md in plain Python, and every boundary by its name."""

from __future__ import annotations

import dataclasses
import uuid
import zoneinfo
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings

from rollcall.settings.configuration import load_settings
from rollcall.steps.plan.pending_work import make_plan
from rollcall.workspace import Workspace
from tests.support.application_model import FUTURE_WITHOUT_END, PAST, Call, Repair, Session, repairs
from tests.support.floor import Floor
from tests.support.floors import HOUR, MINUTE, SECOND, Example, floors, now_in_milliseconds, utc
from tests.support.matrix import quick_first

NULLABLE = (
    "alter table agent_sessions alter login_at drop not null, alter last_activity drop not null",
    "alter table call_sessions alter started_at drop not null",
)


class World:
    """An example, with keys and instants, in the database and for the model."""

    def __init__(self, floor: Floor, example: Example, now: datetime) -> None:
        self.floor, self.now = floor, now
        sessions, calls = example
        # what no repair depends on, whatever it is
        self.beside = [(session.get("device", False), session.get("capacity", 1)) for session in sessions]
        self.calls = [
            Call(key=str(uuid.uuid4()), **self._instants(call, "started", "connected", "ended"))
            for call in calls
        ]
        self.sessions = [
            Session(
                key=str(uuid.uuid4()),
                **{
                    **self._instants(_columns(session), "login", "activity", "heartbeat", "logout"),
                    "call": self._reference(session["call"]),
                },
            )
            for session in sessions
        ]

    def _instants(self, row: dict[str, Any], *names: str) -> dict[str, Any]:
        moments = {
            name: self.now - timedelta(milliseconds=row[name]) if isinstance(row[name], int) else row[name]
            for name in names
        }
        return {**row, **moments}

    def _reference(self, reference: Any) -> str | None:
        if reference is None:
            return None
        return str(uuid.uuid4()) if reference == "missing" else self.calls[reference].key

    def load(self, zone: str = "UTC") -> None:
        extreme = {PAST: "-infinity", FUTURE_WITHOUT_END: "infinity"}
        has_instants = self.floor.has_instants

        def local(moment: datetime | None) -> datetime | str | None:
            if moment in extreme:
                return extreme[moment]
            if moment is None or has_instants:
                return moment
            return moment.astimezone(zoneinfo.ZoneInfo(zone)).replace(tzinfo=None)

        with self.floor.connect() as connection, connection.pipeline():
            connection.execute("set session_replication_role = replica")  # no foreign keys
            connection.execute("truncate agents, agent_sessions, call_sessions")
            for statement in NULLABLE:
                connection.execute(statement)
            connection.execute(
                "insert into agents (id, role, is_active, is_ai_agent)"
                " values (1, 'agent', true, false), (2, null, null, null), (3, 'agent', false, true)"
            )
            for c in self.calls:
                connection.execute(
                    "insert into call_sessions (id, agent_id, status, direction, started_at, connected_at,"
                    " ended_at) values (%s, %s, %s, %s, %s, %s, %s)",
                    [
                        *(c.key, c.agent, c.status, c.direction),
                        *(local(c.started), local(c.connected), local(c.ended)),
                    ],
                )
            for s, beside in zip(self.sessions, self.beside, strict=True):
                connection.execute(
                    "insert into agent_sessions (id, agent_id, status, current_call_session_id, login_at,"
                    " last_activity, last_heartbeat, logout_at, device_connected, max_concurrent_calls)"
                    " values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s)",
                    [
                        *(s.key, s.agent, s.status, s.call),
                        *(local(s.login), local(s.activity), local(s.heartbeat), local(s.logout)),
                        *beside,
                    ],
                )

    def expected(self) -> dict[str, Repair]:
        return repairs(self.now, (1, 2, 3), self.sessions, self.calls)


def _columns(session: dict[str, Any]) -> dict[str, Any]:
    """Those that the model knows."""
    return {name: value for name, value in session.items() if name not in ("device", "capacity")}


def agrees(floor: Floor, example: Example) -> None:
    world = World(floor, example, now_in_milliseconds())
    world.load()
    expected = world.expected()
    before = floor.images()
    plan = floor.plan(world.now)
    planned = {
        change["session_id"]: Repair(
            tuple(change["rules"]),
            change["remedy"],
            change["after"]["status"],
            utc(change["after"]["logout_at"]),
        )
        for change in plan.changes()
    }
    assert planned == expected

    plan.made_at += timedelta(minutes=1)  # the test takes time, and presence has to be proven at its end
    result = floor.clean(plan)
    assert (result.changed, result.skipped) == (len(expected), [])
    after = floor.images()
    assert after.keys() == before.keys()
    for key, image in after.items():
        if key in expected:
            assert image["status"] == expected[key].status
            assert image["current_call_session_id"] is None
            assert utc(image["logout_at"]) == expected[key].logout
            planned_columns = {
                name: before[key][name] for name in ("status", "current_call_session_id", "logout_at")
            }
            assert {**image, **planned_columns} == before[key]
        else:
            assert image == before[key]
    assert floor.plan(world.now).change_count == 0


COMMON = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)


@given(example=floors())
@settings(COMMON, max_examples=8)
def test_plan_and_result_agree_with_the_model(floor: Floor, example: Example) -> None:
    agrees(floor, example)


@pytest.mark.medium
@given(example=floors())
@settings(COMMON, max_examples=25)
def test_plan_and_result_agree_with_the_model_more_often(floor: Floor, example: Example) -> None:
    agrees(floor, example)


@pytest.mark.medium
@given(example=floors())
@settings(COMMON, max_examples=12)
def test_domains_agree_with_the_model_as_well(floor_of_domains: Floor, example: Example) -> None:
    agrees(floor_of_domains, example)


@pytest.mark.slow
@given(example=floors())
@settings(COMMON, max_examples=150, derandomize=False)
def test_domains_agree_with_the_model_many_times(floor_of_domains: Floor, example: Example) -> None:
    agrees(floor_of_domains, example)


@pytest.mark.slow
@given(example=floors())
@settings(COMMON, max_examples=300, derandomize=False)
def test_plan_and_result_agree_with_the_model_many_times(floor: Floor, example: Example) -> None:
    agrees(floor, example)


# --- boundaries --------------------------------------------------------------------------------------------


def planned_for(floor: Floor, session: dict[str, Any], calls: Sequence[dict[str, Any]] = ()) -> str | None:
    """The remedy for one session; what is not said is sound and three hours old."""
    base = {
        "agent": 1,
        "status": "available",
        "login": 5 * HOUR,
        "activity": 3 * HOUR,
        "heartbeat": None,
        "logout": None,
        "call": None,
    }
    call = {
        "agent": 1,
        "status": "completed",
        "direction": "outbound",
        "started": 3 * HOUR,
        "connected": None,
        "ended": None,
    }
    example = ([{**base, **session}], [{**call, **each} for each in calls])
    world = World(floor, example, now_in_milliseconds())
    world.load()
    changes = list(floor.plan(world.now).changes())
    assert {change["session_id"] for change in changes} == set(world.expected())
    return changes[0]["after"]["status"] if changes else None


@pytest.mark.parametrize(
    ("session", "calls", "status"),
    [
        ({"activity": 2 * HOUR}, [], None),
        ({"activity": 2 * HOUR - 1}, [], None),
        ({"activity": 2 * HOUR + 1}, [], "offline"),
        ({"heartbeat": 2 * HOUR}, [], None),
        ({"heartbeat": 2 * HOUR - 1}, [], None),
        ({"heartbeat": 2 * HOUR + 1}, [], "offline"),
        ({"login": 2 * HOUR}, [], None),
        ({"login": 2 * HOUR - 1}, [], None),
        ({"login": 2 * HOUR + 1}, [], "offline"),
        ({}, [{"started": 2 * HOUR - 1}], None),
        ({}, [{"started": 2 * HOUR}], None),
        ({}, [{"started": 2 * HOUR + 1}], "offline"),
        ({}, [{"direction": "inbound", "started": 1}], "offline"),
        ({}, [{"direction": "inbound", "connected": 2 * HOUR, "ended": 2 * HOUR}], None),
        ({}, [{"direction": "inbound", "connected": 2 * HOUR + 1, "ended": 2 * HOUR - 1}], None),
        ({}, [{"direction": "inbound", "connected": 2 * HOUR + 1, "ended": 2 * HOUR + 1}], "offline"),
        ({}, [{"direction": "inbound", "ended": 1, "status": "missed_call"}], "offline"),
        ({}, [{"direction": "inbound", "status": "ringing", "started": 4 * HOUR - 1}], None),
        ({}, [{"direction": "inbound", "status": "ringing", "started": 4 * HOUR}], "offline"),
        ({}, [{"direction": "inbound", "status": "ringing", "started": 4 * HOUR + 1}], "offline"),
        ({}, [{"direction": "inbound", "status": "ringing", "started": 1, "ended": 0}], "offline"),
        ({"activity": 10 * MINUTE, "status": "on_call"}, [], None),
        ({"activity": 10 * MINUTE - 1, "status": "on_call"}, [], None),
        ({"activity": 10 * MINUTE + 1, "status": "on_call"}, [], "break"),
        ({"activity": 1, "heartbeat": 1, "status": "on_call"}, [], "available"),
        ({"activity": 1, "heartbeat": 1 + SECOND, "status": "on_call"}, [], "available"),
        ({"activity": 1, "heartbeat": 2 + SECOND, "status": "on_call"}, [], None),
        ({"activity": HOUR, "heartbeat": 5 * MINUTE, "status": "on_call"}, [], "available"),
        ({"activity": HOUR, "heartbeat": 5 * MINUTE - 1, "status": "on_call"}, [], "available"),
        ({"activity": HOUR, "heartbeat": 5 * MINUTE + 1, "status": "on_call"}, [], "break"),
        ({"activity": HOUR, "status": "on_call"}, [{"started": 10 * MINUTE}], None),
        ({"activity": HOUR, "status": "on_call"}, [{"started": 10 * MINUTE - 1}], None),
        ({"activity": HOUR, "status": "on_call"}, [{"started": 10 * MINUTE + 1}], "break"),
        ({"activity": HOUR, "status": "break", "call": "missing"}, [], "break"),
        ({"activity": 10 * MINUTE, "status": "break", "call": "missing"}, [], None),
        ({"activity": -20 * SECOND}, [], None),
        ({"activity": 3 * HOUR, "heartbeat": -120 * SECOND}, [], None),
        ({"agent": 100}, [], None),
        ({"status": "lunch"}, [], None),
        ({"call": 0}, [{"status": "strange", "ended": 3 * HOUR}], None),
    ],
)
def test_each_boundary(
    floor: Floor, session: dict[str, Any], calls: list[dict[str, Any]], status: str | None
) -> None:
    assert planned_for(floor, session, calls) == status


def test_an_extreme_time_is_no_absence_and_is_never_written(floor: Floor) -> None:
    forever = [floor.session(), floor.session(), floor.session()]
    floor.rows("update agent_sessions set last_activity = 'infinity' where id = %s", forever[0])
    floor.rows("update agent_sessions set last_heartbeat = 'infinity' where id = %s", forever[1])
    floor.rows("update agent_sessions set login_at = 'infinity' where id = %s", forever[2])
    never = floor.session()
    floor.rows(
        "update agent_sessions set last_activity = '-infinity', last_heartbeat = '-infinity',"
        " login_at = '-infinity' where id = %s",
        never,
    )
    plan = floor.plan()
    assert list(plan.changes()) == []
    before = floor.images()
    assert floor.clean(plan).changed == 0
    assert floor.images() == before


NEW_YORK = zoneinfo.ZoneInfo("America/New_York")
AUTUMN = datetime(2024, 11, 3, 6, 0, tzinfo=UTC)  # 02:00 becomes 01:00
SPRING = datetime(2025, 3, 9, 7, 0, tzinfo=UTC)  # 02:00 becomes 03:00


@pytest.fixture(scope="module")
def new_york() -> dict[str, Any]:
    return {}


def in_new_york(floor: Floor, cache: dict[str, Any]) -> Workspace:
    """The same database, whose naive timestamps are New York's."""
    if "workspace" not in cache:
        environment = {
            "ROLLCALL_DATABASE_URL": floor.url,
            "ROLLCALL_STATE_DIR": str(floor.workspace.settings.state_directory),
            "ROLLCALL_VARS": "app_time_zone: America/New_York",
        }
        cache["workspace"] = Workspace(load_settings(environment=environment))
    workspace: Workspace = cache["workspace"]
    return workspace


@pytest.mark.parametrize(
    ("seen", "minutes", "is_abandoned"),
    quick_first(
        [
            # the last sign at 00:59 and at 02:01 by the wall clock, judged across the repeated hour
            (AUTUMN - timedelta(minutes=61), 121, True),
            (AUTUMN - timedelta(minutes=61), 119, False),
            (AUTUMN + timedelta(minutes=61), 121, True),
            (AUTUMN + timedelta(minutes=61), 119, False),
            # 01:30 was twice: idle is counted from the later one
            (AUTUMN - timedelta(minutes=30), 121, False),
            (AUTUMN - timedelta(minutes=30), 179, False),
            (AUTUMN - timedelta(minutes=30), 181, True),
            (AUTUMN + timedelta(minutes=30), 121, True),
            (AUTUMN + timedelta(minutes=30), 119, False),
            # 01:59, then 03:01
            (SPRING - timedelta(minutes=1), 121, True),
            (SPRING - timedelta(minutes=1), 119, False),
            (SPRING + timedelta(minutes=1), 121, True),
            (SPRING + timedelta(minutes=1), 119, False),
        ],
        quick=3,
    ),
)
def test_across_the_change_to_and_from_summer_time(
    floor: Floor, new_york: dict[str, Any], seen: datetime, minutes: int, is_abandoned: bool
) -> None:
    workspace = in_new_york(floor, new_york)
    now = seen + timedelta(minutes=minutes)
    long_ago = int((now - seen + timedelta(hours=9)).total_seconds() * 1_000)
    session = {
        "agent": 1,
        "status": "available",
        "login": long_ago,
        "activity": minutes * MINUTE,
        "heartbeat": None,
        "logout": None,
        "call": None,
    }
    world = World(floor, ([session], []), now)
    world.load("America/New_York")
    (key,) = (session.key for session in world.sessions)
    plan = make_plan(workspace, now)
    assert [change["session_id"] for change in plan.changes()] == ([key] if is_abandoned else [])
    if is_abandoned:
        wall = floor.row(key)["last_activity"]
        assert floor.clean(plan, workspace).changed == 1
        assert floor.row(key)["logout_at"] == wall, "the wall clock's time, as the application wrote it"


def test_an_hour_that_is_there_twice_is_not_in_the_future(floor: Floor, new_york: dict[str, Any]) -> None:
    """Judged at 01:10 the first time, a sign at 01:09 may not be read as the second time's."""
    workspace = in_new_york(floor, new_york)
    query = workspace.project.sql("session_evidence")
    agent = floor.agent()
    floor.insert(
        "agent_sessions",
        agent_id=agent,
        status="available",
        login_at=datetime(2024, 11, 2, 20, 0),
        last_activity=datetime(2024, 11, 3, 1, 9),
    )
    with workspace.database.snapshot() as snapshot:
        row = snapshot.row(query)
    assert row["latest_possible_at"].astimezone(UTC) == datetime(2024, 11, 3, 5, 9, tzinfo=UTC)
    assert row["last_seen_at"].astimezone(UTC) == datetime(2024, 11, 3, 6, 9, tzinfo=UTC)


@pytest.mark.parametrize("zone", quick_first(["America/New_York", "Asia/Kolkata", "Pacific/Auckland"]))
def test_whatever_the_server_s_time_zone(floor: Floor, zone: str) -> None:
    floor.rows(f"alter role current_user set timezone = '{zone}'")
    try:
        for activity, status in ((2 * HOUR, None), (2 * HOUR + 1, "offline")):
            assert planned_for(floor, {"activity": activity}) == status
        example = ([dict.fromkeys(f.name for f in dataclasses.fields(Session) if f.name != "key")], [])
        example[0][0].update(agent=1, status="on_call", login=3 * HOUR, activity=3 * HOUR, call="missing")
        agrees(floor, example)
    finally:
        floor.rows("alter role current_user reset timezone")
