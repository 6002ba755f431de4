"""The hour that autumn has twice, in local times: what a repair has to prove holds on every reading."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from rollcall.settings.configuration import load_settings
from rollcall.steps.plan.pending_work import make_plan
from rollcall.steps.undo import undo
from rollcall.workspace import Workspace
from tests.support.application_model import Call, Session, repairs
from tests.support.floor import QUICK, Floor
from tests.support.floors import Example, calm_floors, side_by_side
from tests.support.matrix import quick_first

ZONES = {  # the instant from which on the hour is repeated
    "Europe/Berlin": datetime(2024, 10, 27, 1, 0, tzinfo=UTC),
    "America/New_York": datetime(2024, 11, 3, 6, 0, tzinfo=UTC),
}
_workspaces: dict[tuple[str, str], Workspace] = {}


class LocalFloor:
    """A floor whose naive times are a zone's; rows have true instants, in minutes after the change."""

    def __init__(self, floor: Floor, zone: str) -> None:
        self.floor, self.zone, self.change = floor, ZoneInfo(zone), ZONES[zone]
        self.sessions: list[Session] = []
        self.calls: list[Call] = []
        if (floor.url, zone) not in _workspaces:
            state = floor.workspace.settings.state_directory
            environment = {
                "ROLLCALL_DATABASE_URL": floor.url,
                "ROLLCALL_STATE_DIR": str(state),
                "ROLLCALL_VARS": f"app_time_zone: {zone}",
            }
            local = load_settings(environment=environment)
            local.variables.update(QUICK)
            _workspaces[floor.url, zone] = Workspace(local)
        self.workspace = _workspaces[floor.url, zone]
        floor.rows("insert into agents (id, role) select n, 'agent' from generate_series(1, 99) as n")

    def at(self, minutes: float | None) -> datetime | None:
        return None if minutes is None else self.change + timedelta(minutes=minutes)

    def session(self, *, agent: int = 1, call: str | None = None, **given: Any) -> str:
        status = given.pop("status", "on_call")
        times = {name: self.at(given.get(name)) for name in ("login", "activity", "heartbeat")}
        return self.add_session(Session(str(uuid.uuid4()), agent, status, **times, call=call))

    def call(self, *, agent: int | None = 1, **given: Any) -> str:
        times = {name: self.at(given.get(name)) for name in ("started", "connected", "ended")}
        return self.add_call(Call(str(uuid.uuid4()), agent, "completed", "inbound", **times))

    def add_session(self, session: Session) -> str:
        self.sessions.append(session)
        return self.floor.insert(
            "agent_sessions",
            id=session.key,
            agent_id=session.agent,
            status=session.status,
            current_call_session_id=session.call,
            login_at=self.local(session.login),
            last_activity=self.local(session.activity),
            last_heartbeat=self.local(session.heartbeat),
            logout_at=self.local(session.logout),
        )

    def add_call(self, call: Call) -> str:
        self.calls.append(call)
        return self.floor.insert(
            "call_sessions",
            id=call.key,
            agent_id=call.agent,
            status=call.status,
            direction=call.direction,
            started_at=self.local(call.started),
            connected_at=self.local(call.connected),
            ended_at=self.local(call.ended),
        )

    def local(self, moment: datetime | None) -> datetime | None:
        return None if moment is None else moment.astimezone(self.zone).replace(tzinfo=None)

    def planned(self, minutes: float) -> dict[str, tuple[str, str]]:
        """By session what is planned at this instant: the remedy and the status afterwards."""
        plan = make_plan(self.workspace, self.at(minutes))
        return {
            change["session_id"]: (change["remedy"], change["after"]["status"]) for change in plan.changes()
        }

    def needed(self, minutes: float) -> dict[str, tuple[str, str | None]]:
        """What is needed by the true instants, as the planned."""
        now = self.at(minutes)
        assert now is not None
        found = repairs(now, range(1, 100), self.sessions, self.calls)
        return {key: (repair.remedy, repair.status) for key, repair in found.items()}


@pytest.fixture(params=quick_first(ZONES))
def hour(floor: Floor, request: pytest.FixtureRequest) -> LocalFloor:
    return LocalFloor(floor, request.param)


@pytest.mark.parametrize(
    ("judged", "seen", "status"),
    [
        (-30, -31, "available"),
        (-30, -55, "break"),  # read as the second time it would be in the future
        (30, 29, "break"),  # present: but it may be 61 minutes ago
        (30, -31, "break"),
        (64, 60, "available"),
        (64, 59, "break"),
        (100, 97, "available"),
        (100, 90, "break"),
    ],
)
def test_presence_is_proven_on_every_reading(
    hour: LocalFloor, judged: float, seen: float, status: str
) -> None:
    session = hour.session(login=-200, activity=-100, heartbeat=seen)
    assert hour.planned(judged) == {session: ("reset_status", status)}
    assert hour.needed(judged)[session] in {("reset_status", status), ("reset_status", "available")}


@pytest.mark.parametrize(
    ("judged", "activity", "heartbeat", "is_explained"),
    [
        (72, 65, 65, True),
        (72, 65, 64, False),
        (32, 25, -34.98, False),  # one second before the activity by the clock on the wall, an hour in truth
        (32, 25, 25, False),  # explained: but the heartbeat may be an hour older
    ],
)
def test_a_heartbeat_explains_activity_on_every_reading(
    hour: LocalFloor, judged: float, activity: float, heartbeat: float, is_explained: bool
) -> None:
    session = hour.session(login=-200, activity=activity, heartbeat=heartbeat)
    assert set(hour.planned(judged)) == ({session} if is_explained else set())


def test_a_reference_stays_while_it_may_be_the_only_evidence(hour: LocalFloor) -> None:
    """A call without an agent was connected 20 minutes ago; the session was active 2.5 or 1.5 hours ago."""
    transferred = hour.call(agent=None, started=95, connected=95, ended=100)
    hour.session(login=-200, activity=-30, call=transferred)
    assert hour.needed(120) == {}
    assert hour.planned(120) == {}


def test_calls_keep_open_both_sessions_of_which_either_may_be_the_newest(hour: LocalFloor) -> None:
    """The first login is at 50 minutes past the hour, the second at 10 past the same hour, repeated."""
    older = hour.session(login=-10, activity=-10, status="available")
    newest = hour.session(login=10, activity=10, status="available")
    hour.call(started=130, connected=130, ended=140)
    earlier = hour.session(agent=2, login=-90, activity=-80, status="available")
    hour.session(agent=2, login=10, activity=150, status="available")
    hour.call(agent=2, started=130, connected=130, ended=140)
    assert set(hour.needed(190)) == {older, earlier}
    assert set(hour.planned(190)) == {earlier}
    assert newest in hour.planned(270)


def test_a_feed_is_silent_on_either_reading(hour: LocalFloor) -> None:
    """The sessions fell silent before the change, and five calls were connected since."""
    for agent in range(1, 6):
        hour.session(agent=agent, login=-200, activity=-30, status="available")
        hour.session(agent=agent, login=-210, activity=-100, status="available")
        hour.call(agent=agent, started=90, connected=90, ended=91)
    assert hour.needed(100) == {}
    assert hour.planned(100) == {}


@pytest.mark.parametrize(("minutes", "status"), [(1, "available"), (10, "break")])
def test_a_plan_of_the_first_time_is_executed_with_the_presence_of_that_time(
    hour: LocalFloor, minutes: float, status: str
) -> None:
    """Seen a minute before the plan was made; read as of the second time, that is still to come."""
    session = hour.session(login=-200, activity=-100, heartbeat=-31)
    plan = make_plan(hour.workspace, hour.at(-30))
    plan.made_at -= timedelta(minutes=minutes)
    assert hour.floor.clean(plan, hour.workspace).changed == 1
    assert hour.floor.row(session)["status"] == status


def test_life_that_may_be_older_than_an_undo_releases_nothing(hour: LocalFloor) -> None:
    session = hour.session(login=-200, activity=-10)
    plan = make_plan(hour.workspace, hour.at(200))
    cleaned = hour.floor.clean(plan, hour.workspace)
    assert undo(hour.workspace, cleaned.run_id).changed == 1
    hour.floor.rows("update rollcall_ops.held_sessions set held_at = %s", hour.at(20))
    result = hour.floor.clean(make_plan(hour.workspace, hour.at(200)), hour.workspace, unattended=True)
    assert [skip["session_id"] for skip in result.skipped] == [session]
    assert hour.floor.row(session)["logout_at"] is None


# --- drawn -------------------------------------------------------------------------------------------------


def is_safe(floor: Floor, zone: str, judged: int, example: Example) -> None:
    """No session is changed more than the true instants demand, and none is available without presence."""
    floor.rows("truncate agents, agent_sessions, call_sessions")
    hour = LocalFloor(floor, zone)
    now = hour.at(judged)
    assert now is not None
    load(hour, now, example)
    needed = hour.needed(judged)
    for key, (remedy, status) in hour.planned(judged).items():
        if remedy == "close":
            assert needed[key][0] == "close"
        elif not is_one_of_two_logins(hour, key):
            assert key in needed
            assert (remedy, status) != ("reset_status", "available") or needed[key] == (remedy, status)


def load(hour: LocalFloor, now: datetime, example: Example) -> None:
    def moments(row: dict[str, Any], *names: str) -> dict[str, Any]:
        return {n: None if row[n] is None else now - timedelta(milliseconds=row[n]) for n in names}

    sessions, calls = example
    keys = [
        hour.add_call(
            Call(
                str(uuid.uuid4()),
                *(call[name] for name in ("agent", "status", "direction")),
                **moments(call, "started", "connected", "ended"),
            )
        )
        for call in calls
    ]
    for session in sessions:
        reference = session["call"]
        hour.add_session(
            Session(
                str(uuid.uuid4()),
                session["agent"],
                session["status"],
                **moments(session, "login", "activity", "heartbeat", "logout"),
                call=keys[reference] if isinstance(reference, int) else reference and str(uuid.uuid4()),
            )
        )


def is_one_of_two_logins(hour: LocalFloor, key: str) -> bool:
    """Whether its agent logged in twice within the hour: the agent's calls then count for both sessions."""
    (agent,) = (session.agent for session in hour.sessions if session.key == key)
    logins = [session.login for session in hour.sessions if session.agent == agent and session.logout is None]
    return sum(abs(login - hour.change) <= timedelta(hours=1) for login in logins if login is not None) > 1


EXAMPLES = {
    "zone": st.sampled_from(list(ZONES)),
    "judged": st.integers(-55, 70) | st.integers(70, 300),
    "example": st.lists(calm_floors(), min_size=8, max_size=8).map(side_by_side),
}
COMMON = settings(
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
    derandomize=True,
)


@pytest.mark.medium
@given(**EXAMPLES)
@settings(COMMON, max_examples=15)
def test_no_repair_is_more_than_the_true_instants_demand(
    floor: Floor, zone: str, judged: int, example: Example
) -> None:
    is_safe(floor, zone, judged, example)


@pytest.mark.slow
@given(**EXAMPLES)
@settings(COMMON, max_examples=150, derandomize=False)
def test_no_repair_is_more_than_the_true_instants_demand_many_times(
    floor: Floor, zone: str, judged: int, example: Example
) -> None:
    is_safe(floor, zone, judged, example)
