"""The ground truth of a planted call centre, against what Rollcall found and what it wrote."""

from __future__ import annotations

import zoneinfo
from datetime import UTC, datetime
from typing import Any

import pytest

from rollcall.steps.assess.assessment import assess
from tests.support.call_centre import CallCentre

DECLARED = (
    "sessions_last_heartbeat_column",
    "sessions_device_connected_column",
    "sessions_max_concurrent_calls_column",
)


def found(centre: CallCentre, *, now: datetime | None = None) -> dict[str, int]:
    """The count of every rule that was planted."""
    assessment = assess(centre.workspace, now or centre.now, history=True)
    return {r.name: r.violations for r in assessment.rules if r.name in centre.planted.violations}


def without_declared(centre: CallCentre, image: dict[str, Any]) -> dict[str, Any]:
    added = {centre.variables[var] for var in DECLARED}
    return {name: value for name, value in image.items() if name not in added}


def assert_repaired(centre: CallCentre, before: dict[str, Any]) -> None:
    """Of every session exactly what the ground truth expects, and nothing else, has changed."""
    status, call, logout = (
        centre.variables[var]
        for var in ("sessions_status_column", "sessions_call_id_column", "sessions_logout_at_column")
    )
    logouts = dict(
        centre.rows(
            f"select {centre.column('sessions_id_column')}::text, extract(epoch from"
            f" {centre.column('sessions_logout_at_column')})::float8"
            f" from {centre.table('sessions_table')}"
        )
    )
    truth = centre.truth()
    after = {key: without_declared(centre, image) for key, image in centre.images().items()}
    assert after.keys() == before.keys()
    for key, image in after.items():
        was = without_declared(centre, before[key])
        expected, expected_status, expected_logout = truth.get(key, ("untouched", "", None))
        if expected == "untouched":
            assert image == was
            continue
        assert image == {**was, status: expected_status, call: None, logout: image[logout]}
        if expected == "closed":
            assert expected_logout is not None
            assert logouts[key] == pytest.approx(naive_epoch(centre, expected_logout), abs=0.0005)
        else:
            assert image[logout] is None


def naive_epoch(centre: CallCentre, instant: datetime) -> float:
    """The instant as the column shows it, read as UTC: a naive column holds local time."""
    query = "select data_type from information_schema.columns where column_name = %s"
    (kind,) = centre.rows(query, centre.variables["sessions_logout_at_column"])[0]
    if "with time zone" in kind:
        return instant.timestamp()
    local = instant.astimezone(zoneinfo.ZoneInfo(centre.variables["app_time_zone"]))
    return local.replace(tzinfo=UTC).timestamp()
