"""The metrics of dbt: each, computed from its declared measures, is what plain Python computes."""

from __future__ import annotations

import random
from collections import defaultdict
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from tests.support.builds import BERLIN, Zoned, built, write
from tests.support.dbt_command import Dbt
from tests.support.intervals import QUARTER, Day, played

BEGIN = datetime(2026, 7, 11, 20, 2, tzinfo=UTC)
HOURS = 30
END = BEGIN + timedelta(hours=HOURS, minutes=20)
SERVICE_LEVEL = 20


def value_of(berlin: Zoned, manifest: dict[str, Any], metric: str, where: str = "true") -> float | None:
    """A metric over all rows of its view that `where` keeps: the sum of its measure, or the ratio of two."""
    declared = manifest["metrics"][f"metric.rollcall.{metric}"]
    parameters = declared["type_params"]
    if declared["type"] == "ratio":
        above, below = (
            value_of(berlin, manifest, parameters[part]["name"], where)
            for part in ("numerator", "denominator")
        )
        return above / below if above is not None and below else None
    assert declared["type"] == "simple"
    ((model, measure),) = [
        (model, measure)
        for model in manifest["semantic_models"].values()
        for measure in model["measures"]
        if measure["name"] == parameters["measure"]["name"]
    ]
    assert measure["agg"] == "sum"
    expression = measure["expr"] or measure["name"]
    relation = model["node_relation"]["relation_name"]
    ((value,),) = berlin.rows(f"select sum({expression})::float8 from {relation} where {where}")
    return None if value is None else float(value)


def computed(day: Day, agents: list[str], first: datetime, last: datetime) -> dict[str, float]:
    """The same from the rows of presence and calls, for the quarter hours of a time."""
    sums: dict[str, float] = defaultdict(float)
    moment = first
    while moment < last:
        for agent in agents:
            row = day.agent_interval(agent, moment, moment + QUARTER) or {}
            for name in ("logged_in", "on_call", "available", "ghost"):
                sums[name] += (row.get(name) or timedelta(0)).total_seconds()
            sums["missed"] += row.get("missed") or 0
        queue = day.queue_interval(moment, moment + QUARTER, SERVICE_LEVEL)
        for name in ("offered", "answered", "abandoned", "in_time", "waited", "known_waits", "counted"):
            sums[name] += queue[name]
        sums["missed_with_ghost"] += queue["missed_with_ghost"] or 0
        moment += QUARTER
    talks = [c.ended - c.connected for c in day.calls if c.connected and first <= c.started < last]
    talked = sum(talks, timedelta(0)).total_seconds()
    return {
        "logged_in_seconds": sums["logged_in"],
        "ghost_seconds": sums["ghost"],
        "handling_seconds": sums["on_call"],
        "handling_and_waiting_seconds": sums["on_call"] + sums["available"],
        "calls_missed": sums["missed"],
        "calls_offered": sums["offered"],
        "calls_answered": sums["answered"],
        "calls_abandoned": sums["abandoned"],
        "calls_answered_in_time": sums["in_time"],
        "wait_seconds_of_answered": sums["waited"],
        "calls_answered_with_known_wait": sums["known_waits"],
        "calls_of_service_level": sums["counted"],
        "calls_missed_with_ghost_available": sums["missed_with_ghost"],
        "talk_seconds": talked,
        "calls_handled": len(talks),
        "occupancy": sums["on_call"] / (sums["on_call"] + sums["available"]),
        "service_level": sums["in_time"] / sums["counted"],
        "average_speed_of_answer": sums["waited"] / sums["known_waits"],
        "average_handling_time": talked / len(talks),
    }


@pytest.mark.medium
def test_each_metric_is_what_python_computes_of_one_day_and_of_all(berlin: Zoned, tmp_path: Path) -> None:
    agents = [berlin.agent() for _ in range(4)]
    day = played(random.Random(5), agents, BEGIN, HOURS)
    write(berlin, day)
    built(berlin, END)
    dbt = Dbt(berlin.url, tmp_path, {"business_time_zone": BERLIN})
    dbt("parse")
    manifest = dbt.artifact("manifest")
    keys = [str(agent) for agent in agents]

    midnight = datetime(2026, 7, 12, tzinfo=ZoneInfo(BERLIN)).astimezone(UTC)
    spans = {
        "true": (BEGIN - timedelta(hours=3, minutes=2), END),
        "{day} = '2026-07-12'": (midnight, midnight + timedelta(days=1)),
    }
    for where, (first, last) in spans.items():
        expected = computed(day, keys, first, last)
        assert {f"metric.rollcall.{name}" for name in expected} == manifest["metrics"].keys()
        for name, value in expected.items():
            of_calls = name in ("talk_seconds", "calls_handled", "average_handling_time")
            column = f"(started_at at time zone '{BERLIN}')::date" if of_calls else "business_day"
            found = value_of(berlin, manifest, name, where.format(day=column))
            assert found == pytest.approx(value, abs=1e-4), (name, where)
            assert value > 0, name


@pytest.mark.medium
def test_the_time_spine_has_the_built_days(berlin: Zoned, tmp_path: Path) -> None:
    write(berlin, played(random.Random(6), [berlin.agent()], BEGIN, 6))
    built(berlin, BEGIN + timedelta(hours=7))
    dbt = Dbt(berlin.url, tmp_path, {"business_time_zone": BERLIN})
    dbt("run", "--select", "time_spine")
    days = "select business_day::text from dbt_postgres.time_spine order by 1"
    assert berlin.rows(days) == [("2026-07-11",), ("2026-07-12",)]
    berlin.rows("drop schema dbt_postgres cascade")
