"""`rollcall.agent_sessions`: each value of each row is what Python makes of the application's rows."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rollcall.ledger.runs import open_run
from rollcall.steps.migrate.migration import migrate
from tests.support.call_centre import CallCentre, call_centre
from tests.support.times import instant, whole_seconds

Row = dict[str, Any]


class Calls:
    """The application's calls by key and by agent; `now` is when they are judged."""

    def __init__(self, centre: CallCentre) -> None:
        ((now,),) = centre.rows("select now()")
        variables = centre.variables
        self.live_since = now - timedelta(hours=variables["live_call_max_hours"])
        self.live_statuses = variables["live_call_statuses"]
        self.by_key: dict[str, Row] = centre.images("calls_table", "calls_id_column")
        self.of_agent: dict[Any, list[Row]] = defaultdict(list)
        for call in self.by_key.values():
            self.of_agent[call["agent_id"]].append(call)

    def concerning(self, session: Row, *, is_newest: bool) -> list[Row]:
        """The call to which a session refers, and of an agent's newest session all calls of the agent."""
        referenced = self.by_key.get(session["current_call_session_id"])
        return [*([referenced] if referenced else []), *(self.of_agent[session["agent_id"]] * is_newest)]

    def is_live(self, call: Row) -> bool:
        started = instant(call["started_at"])
        assert started is not None
        return call["status"] in self.live_statuses and call["ended_at"] is None and started > self.live_since


def signs_of(call: Row) -> list[str | None]:
    """When a call proves that its agent was there: an unanswered inbound call proves nothing."""
    connected = [call["connected_at"], call["ended_at"]] if call["connected_at"] else []
    return [*connected, *([call["started_at"]] if call["direction"] == "outbound" else [])]


def latest(*times: str | None) -> datetime | None:
    return max(filter(None, map(instant, times)))


def newest_keys(rows: dict[str, Row]) -> set[str]:
    """The newest open session of each agent."""
    found: dict[Any, tuple[str, str]] = {}
    for key, row in rows.items():
        if row["logout_at"] is None:
            found[row["agent_id"]] = max(found.get(row["agent_id"], ("", "")), (row["login_at"], key))
    return {key for _, key in found.values()}


def expected_closed(row: Row, variables: Row) -> Row:
    """A session that the application has closed."""
    login, logout = instant(row["login_at"]), instant(row["logout_at"])
    assert login is not None
    assert logout is not None
    active = latest(row["last_activity"], row["last_heartbeat"])
    assert active is not None
    is_working = row["status"] in ("available", "on_call") or row["current_call_session_id"] is not None
    defects = {
        "reversed_session_times": logout < login,
        "activity_after_logout": active > logout + timedelta(minutes=variables["settle_minutes"]),
        "closed_but_working": is_working,
    }
    return {
        "status": variables["closed_status"] if is_working else row["status"],
        "is_open": False,
        "logout_at": None if logout < login else logout,
        "last_seen_at": latest(row["login_at"], row["last_activity"], row["last_heartbeat"]),
        "live_call_id": set(),
        "duration_seconds": whole_seconds(login, logout),
        "defects": {name for name, is_violated in defects.items() if is_violated},
    }


def expected_open(row: Row, planted: Row, calls: list[Row], live: set[str]) -> Row:
    """A session without a logout, as the demo planted it."""
    is_open = planted["expected"] != "closed"
    logout = planted["expected_logout_at"]
    times = (row["login_at"], row["last_activity"], row["last_heartbeat"])
    return {
        "status": planted["expected_status"],
        "is_open": is_open,
        "logout_at": logout,
        "last_seen_at": latest(*times, *(sign for call in calls for sign in signs_of(call))),
        "live_call_id": live,
        "duration_seconds": None if is_open else whole_seconds(instant(row["login_at"]), logout),
        "defects": set(planted["rules"]),
    }


def expected_sessions(centre: CallCentre) -> dict[str, Row]:
    """By key, what the view has to show before a clean-up; of live_call_id all that it may show."""
    rows, calls = centre.images(), Calls(centre)
    newest = newest_keys(rows)
    truth = {
        row["session_id"]: {**row, "expected_logout_at": _instant_of(row["expected_logout_at"])}
        for (row,) in centre.rows("select to_jsonb(t) from demo_truth.sessions as t")
    }
    expected = {}
    for key, row in rows.items():
        if row["logout_at"] is not None:
            found = expected_closed(row, centre.variables)
        else:
            concerning = calls.concerning(row, is_newest=key in newest)
            live = {call["id"] for call in concerning if calls.is_live(call)}
            found = expected_open(row, truth[key], concerning, live)
        expected[key] = {"agent_id": row["agent_id"], "login_at": instant(row["login_at"]), **found}
    return expected


def _instant_of(text: str | None) -> datetime | None:
    return None if text is None else datetime.fromisoformat(text)


def shown_sessions(centre: CallCentre) -> dict[str, Row]:
    shown = centre.rows("select to_jsonb(s) from rollcall.agent_sessions as s")
    found = {row.pop("session_id"): row for (row,) in shown}
    assert len(found) == len(shown)
    for row in found.values():
        for name in ("login_at", "logout_at", "last_seen_at"):
            row[name] = _instant_of(row[name])
        row["live_call_id"] = {row["live_call_id"]} - {None}
        row["defects"] = set(row["defects"])
    return found


@pytest.mark.medium
def test_each_session_is_shown_as_the_clean_up_will_leave_it(database: str, tmp_path: Path) -> None:
    centre = call_centre(database, tmp_path)
    with open_run(centre.workspace, "migrate") as run:
        migrate(centre.workspace, run, centre.plan().statements)
    expected, shown = expected_sessions(centre), shown_sessions(centre)
    assert shown.keys() == expected.keys()
    for key, row in shown.items():
        wanted = expected[key]
        live, wanted_live = row.pop("live_call_id"), wanted.pop("live_call_id")
        assert bool(live) == bool(wanted_live), key
        assert live <= wanted_live, key
        assert row == wanted, key
    assert {name for row in shown.values() for name in row["defects"]} > {
        *("abandoned_session", "invalid_on_call", "orphaned_call_reference", "duplicate_open_session"),
        *("reversed_session_times", "activity_after_logout", "closed_but_working"),
    }

    _, _, cleaning, _ = centre.run()
    assert cleaning.changed > 0
    after = shown_sessions(centre)
    lasting = ("agent_id", "status", "is_open", "login_at", "logout_at", "duration_seconds")
    assert {key: [row[name] for name in lasting] for key, row in after.items()} == {
        key: [row[name] for name in lasting] for key, row in shown.items()
    }
