"""Plan, result and undo against docs/domain.md in plain Python, for mappings that Hypothesis draws."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from rollcall.servers.postgres import PostgresServer
from tests.support.application_model import Repair
from tests.support.floors import Example, calm_floors, floors, now_in_milliseconds, side_by_side, utc
from tests.support.mapped_application import FORMS, MappedApplication, possible
from tests.support.mapped_floor import MOST, MappedFloor
from tests.support.postgres import fresh_database

ROW_PER_AGENT = {
    "agents_role_column": "null",
    "agents_is_active_column": "null",
    "agents_is_ai_agent_column": "null",
    "sessions_status_column": "codes",
    "sessions_call_id_column": "text",
    "sessions_login_at_column": "null",
    "sessions_logout_at_column": "null",
    "sessions_last_activity_column": "wall clock",
    "calls_table": "view",
    "calls_status_column": "text",
    "calls_direction_column": "null",
    "calls_started_at_column": "instant",
    "calls_connected_at_column": "instant",
    "calls_ended_at_column": "null",
    "writes besides": "some",
}
EXPRESSIONS = {
    **{var: "expression" for var in FORMS if var.startswith("agents_")},
    "sessions_status_column": "lower",
    "sessions_call_id_column": "cast",
    "sessions_login_at_column": "epoch",
    "sessions_logout_at_column": "coalesce",
    "sessions_last_activity_column": "coalesce",
    "calls_table": "relation",
    "calls_status_column": "codes",
    "calls_direction_column": "flag",
    "calls_started_at_column": "epoch",
    "calls_connected_at_column": "coalesce",
    "calls_ended_at_column": "wall clock",
    "writes besides": "none",
}
NO_CALLS = {
    **EXPRESSIONS,
    "sessions_status_column": "text",
    "sessions_call_id_column": "uuid",
    "sessions_last_activity_column": "null",
    "calls_table": "null",
    "writes besides": "some",
}


EXAMPLES = st.lists(calm_floors() | calm_floors() | floors(extreme=False), min_size=4, max_size=MOST).map(
    side_by_side
)
"""Several floors at once, because the time of a clean-up hardly depends on their number."""


@st.composite
def mappings(draw: st.DrawFn) -> dict[str, str]:
    """One form of each fact."""
    return possible({var: draw(st.sampled_from(sorted(forms))) for var, forms in FORMS.items()})


COMMON = settings(
    deadline=None,
    suppress_health_check=[
        *(HealthCheck.function_scoped_fixture, HealthCheck.too_slow),
        *(HealthCheck.data_too_large, HealthCheck.large_base_example),
    ],
    derandomize=True,
)


@pytest.fixture(
    scope="module",
    params=[
        pytest.param(ROW_PER_AGENT, id="a row per agent"),
        pytest.param(NO_CALLS, id="no calls"),
        pytest.param(EXPRESSIONS, id="expressions", marks=pytest.mark.slow),
    ],
)
def mapped(
    request: pytest.FixtureRequest, server: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Any:
    with fresh_database(server) as url:
        yield MappedFloor(url, tmp_path_factory.mktemp("mapped"), MappedApplication(request.param))


@pytest.mark.medium
@given(example=EXAMPLES)
@settings(COMMON, max_examples=10)
def test_plan_result_and_undo_agree_with_the_model(mapped: MappedFloor, example: Example) -> None:
    agrees(mapped, example)


@pytest.mark.slow
@pytest.mark.timeout(3_600)
@given(mapping=mappings(), examples=st.lists(EXAMPLES, min_size=4, max_size=4))
@settings(COMMON, max_examples=40, phases=[Phase.generate])
def test_many_mappings_agree_with_the_model(
    server: PostgresServer,
    tmp_path_factory: pytest.TempPathFactory,
    mapping: Mapping[str, str],
    examples: list[Example],
) -> None:
    with fresh_database(server) as url:
        floor = MappedFloor(url, tmp_path_factory.mktemp("mapped"), MappedApplication(mapping))
        for example in examples:
            agrees(floor, example)


def agrees(floor: MappedFloor, example: Example) -> None:
    """Counts, plan, cleaned rows and undone rows are the model's."""
    now = now_in_milliseconds()
    floor.load(example, now)
    expected, counts = floor.expected(now), floor.expected_counts(now)
    before = floor.images()
    found = floor.counts(now)
    assert {name: found[name] for name in counts} == counts

    plan = floor.plan(now)
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

    run_id, changed, skipped = floor.clean(plan)
    assert (changed, skipped) == (len(expected), [])
    after = floor.images()
    assert_changed_as_planned(floor, expected, before["agent_sessions"], after["agent_sessions"])
    assert {**after, "agent_sessions": None} == {**before, "agent_sessions": None}
    assert floor.plan(now).change_count == 0

    if expected:
        assert floor.undo(run_id) == []
    assert floor.images() == before


def assert_changed_as_planned(
    floor: MappedFloor, expected: dict[str, Repair], before: dict[str, Any], after: dict[str, Any]
) -> None:
    assert after.keys() == before.keys()
    for key, image in after.items():
        repair = expected.get(key)
        written = written_by(floor.application, repair, image) if repair else {}
        for column, value in image.items():
            assert value == written.get(column, before[key][column]), (column, repair)


def written_by(application: MappedApplication, repair: Repair, image: dict[str, Any]) -> dict[str, Any]:
    """The columns that a repair writes, with their values; each is asserted to be the value of the model."""
    forms = application.forms
    variables = application.variables()
    written: dict[str, Any] = {}
    status, logout, call = (forms[f"sessions_{name}_column"] for name in ("status", "logout_at", "call_id"))
    if status.written and repair.remedy != "clear_reference":
        assert status.read(image[status.written]) == repair.status
        written[status.written] = image[status.written]
    if logout.written and repair.remedy == "close":
        assert utc(image[logout.written]) == repair.logout
        written[logout.written] = image[logout.written]
    if call.written:
        written[call.written] = variables.get("sessions_no_call")
    declared = {
        "close": "sessions_on_close",
        "reset_status": f"sessions_on_{repair.status}",
        "clear_reference": "",
    }[repair.remedy]
    for column, value in variables.get(declared, {}).items():
        if isinstance(value, dict):  # an instant, or an epoch
            assert is_just_now(image[column])
            written[column] = image[column]
        else:
            written[column] = value
    return written


def is_just_now(value: str | int) -> bool:
    moment = datetime.fromtimestamp(value).astimezone() if isinstance(value, int) else utc(value)
    assert moment is not None
    return abs((now_in_milliseconds() - moment).total_seconds()) < 600
