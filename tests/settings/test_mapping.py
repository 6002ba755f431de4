"""What a var that maps a table or a column takes, and what it refuses, every problem at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from rollcall.errors import ConfigurationProblems
from rollcall.rules.reach import reasons_not_judged
from rollcall.settings.configuration import load_settings

NO_DATABASE = "postgresql://localhost/nowhere"
EPOCH = {"sql": "to_timestamp(session.seen)", "type": "timestamptz"}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def variables(**given: Any) -> dict[str, Any]:
    return load_settings(yaml.safe_dump(given), {}, NO_DATABASE).variables


def problems(**given: Any) -> tuple[str, ...]:
    with pytest.raises(ConfigurationProblems) as refused:
        variables(**given)
    return refused.value.problems


def test_a_column_is_a_name_null_or_an_expression() -> None:
    loaded = variables(
        agents_role_column=None,
        sessions_last_activity_column=EPOCH,
        sessions_status_column={"column": "state", "values": {0: "available", 1: "break", 2: "offline"}},
        calls_table={"sql": "select c.*\nfrom public.legs as c"},
    )
    assert loaded["agents_role_column"] is None
    assert loaded["sessions_last_activity_column"]["type"] == "timestamp with time zone"
    assert loaded["sessions_status_column"]["values"] == {"0": "available", "1": "break", "2": "offline"}
    assert loaded["calls_table"]["sql"] == "select c.* from public.legs as c"


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("agents_id_column", None, "must not be null: it is always needed"),
        ("sessions_status_column", None, "must not be null: it is always needed"),
        ("sessions_table", {"sql": "select 1"}, "must be a text, not a mapping"),
        ("agents_table", None, "must not be null"),
        ("sessions_id_column", {"sql": "session.id", "type": "uuid"}, "must be the name of a column"),
        ("sessions_last_heartbeat_column", None, "must not be null"),
        ("calls_id_column", {"sql": "call.id::text"}, "lacks the field 'type'"),
        ("calls_id_column", {"sql": "call.id", "type": "text", "as": "x"}, "has the field 'as'"),
        ("calls_id_column", {"sql": "call.id", "type": "money"}, "has a type that is none of"),
        ("sessions_login_at_column", {"sql": "now()", "type": "text"}, "is a time, and needs the type"),
        ("agents_is_active_column", {"sql": "1", "type": "integer"}, "is a truth value, and needs the type"),
        (
            "calls_status_column",
            {"sql": "call.state", "type": "integer"},
            "is a text, and needs the type text",
        ),
        ("calls_id_column", {"sql": "call.id; drop table x", "type": "text"}, "has ';' in its SQL"),
        ("calls_id_column", {"sql": "call.id -- key", "type": "text"}, "has '--' in its SQL"),
        ("calls_id_column", {"sql": "call.id) or (true", "type": "text"}, "has parentheses in its SQL"),
        ("calls_id_column", {"sql": "{{ call }}", "type": "text"}, "has a mark of Jinja in it"),
        ("calls_status_column", {"column": "state", "values": {}}, "has a field 'values'"),
        ("sessions_on_close", {"state": {"instant": "then"}}, "writes a mapping to state"),
        ("read_only", "yes", "must be true or false, not a text"),
    ],
)
def test_a_value_that_is_none_of_these_is_refused_in_one_line(name: str, value: Any, message: str) -> None:
    (line,) = problems(**{name: value})
    assert line.startswith(f"var {name} ")
    assert message in line


def test_a_sign_of_life_is_always_needed() -> None:
    (line,) = problems(sessions_login_at_column=None, sessions_last_activity_column=None)
    assert line.startswith("no sign of life is mapped")


def test_calls_without_any_time_are_no_calls() -> None:
    nothing = dict.fromkeys(("calls_started_at_column", "calls_connected_at_column", "calls_ended_at_column"))
    (line,) = problems(**nothing)
    assert line.startswith("no time of a call is mapped")
    assert variables(**nothing, calls_table=None)["calls_table"] is None


def test_what_closes_a_session_is_written() -> None:
    read = {
        "sessions_status_column": {"sql": "session.state || ''", "type": "text"},
        "sessions_logout_at_column": None,
    }
    (line,) = problems(**read)
    assert line.startswith("nothing that is written would close a session")
    assert variables(**read, read_only=True)
    assert variables(**read, sessions_on_close={"state": "gone"})


def test_a_mend_writes_no_sign_of_life_and_no_column_twice() -> None:
    lines = problems(
        sessions_last_activity_column={"sql": "to_timestamp(session.seen)", "type": "timestamptz"},
        sessions_on_break={"seen": {"epoch": "now"}, "status": "x"},
    )
    assert [line.split(",")[0] for line in lines] == [
        "var sessions_on_break writes seen",
        "var sessions_on_break writes status",
    ]
    assert variables(sessions_on_close={"last_activity": {"instant": "now"}})


def test_written_statuses_are_names_of_the_raw_values() -> None:
    lines = problems(sessions_status_column={"column": "state", "values": {0: "available", 1: "offline"}})
    assert lines == (
        "break of break_statuses is no name in the values of sessions_status_column. add it there, or set"
        " break_statuses to names of the values.",
    )


def test_several_statuses_mean_one_thing_and_a_call_status_may_be_live_until_the_end() -> None:
    loaded = variables(
        available_statuses=["Available", "Available (On Demand)"],
        live_call_statuses=["ringing", "answered"],
        over_call_statuses=["answered", "failed"],
        connected_call_status="answered",
    )
    assert loaded["available_status"] == "available"
    (line,) = problems(available_statuses=["ready", "break"])
    assert line.startswith("two working statuses are the same")


def test_what_is_not_judged_follows_from_the_mapping() -> None:
    assert reasons_not_judged(variables()) == {}
    no_reference = reasons_not_judged(variables(sessions_call_id_column=None))
    assert set(no_reference) == {
        "orphaned_call_reference",
        "live_call_not_on_call",
        "shared_call",
        "call_of_another_agent",
    }
    assert "unknown_call_status" in reasons_not_judged(variables(calls_table=None))
    status = {"sql": "'available'", "type": "text"}
    derived = reasons_not_judged(variables(sessions_status_column=status))
    assert set(derived) == {"invalid_on_call", "closed_but_working"}
