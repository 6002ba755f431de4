"""The days of analysts, built by dbt as by `rollcall build`."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from rollcall.ledger.runs import open_run
from tests.support.builds import BERLIN, BUILT, NEW_YORK, Zoned, built, contents, one_agent
from tests.support.dbt_command import Dbt

BUILD_CLEANED = ("build", "--select", "cleaned", "--exclude-resource-type", "unit_test")
RUNS = "select finished_at is not null from rollcall_ops.runs where command = 'build' order by started_at"
NEWEST_ROWS = (
    "delete from rollcall_ops.built_agent_intervals"
    " where business_day = (select max(business_day) from rollcall.agent_days)"
)


def dbt_of(berlin: Zoned, scratch: Path, zone: str = BERLIN) -> Dbt:
    return Dbt(berlin.url, scratch, {"business_time_zone": zone})


@pytest.mark.slow
def test_dbt_builds_the_days_that_rollcall_builds_and_then_repeats_the_last_ones(
    berlin: Zoned, tmp_path: Path
) -> None:
    one_agent(berlin)
    dbt = dbt_of(berlin, tmp_path)
    before = berlin.rows(RUNS)
    results = dbt(*BUILD_CLEANED)
    assert {"build_days", "agent_days", "agent_days_parts_are_within_the_time_logged_in"} <= results.keys()
    by_dbt = contents(berlin)
    assert by_dbt["agent_days"]

    for table in BUILT:
        berlin.rows(f"delete from rollcall_ops.{table}")
    assert built(berlin, datetime.now(UTC)).days > 0
    assert contents(berlin) == by_dbt

    berlin.rows(NEWEST_ROWS)
    dbt(*BUILD_CLEANED)
    assert berlin.rows(RUNS)[len(before) :] == [(True,)] * 3
    assert contents(berlin) != by_dbt  # an old day is not read again ...
    dbt(*BUILD_CLEANED, "--full-refresh")
    assert contents(berlin) == by_dbt  # ... unless all are


@pytest.mark.medium
def test_dbt_leaves_the_days_to_another_run_and_the_next_lease_is_newer(
    berlin: Zoned, tmp_path: Path
) -> None:
    one_agent(berlin)
    dbt = dbt_of(berlin, tmp_path)
    with open_run(berlin.workspace, "clean") as run:
        assert dbt(*BUILD_CLEANED)["build_days"] == "LEFT OUT"
        assert contents(berlin)["agent_days"] == []
        run.check_lease(run.connection)
    dbt(*BUILD_CLEANED)
    assert contents(berlin)["agent_days"]
    ((token,),) = berlin.rows("select token from rollcall_ops.lease")
    assert token == run.token + 1


@pytest.mark.medium
def test_dbt_puts_no_day_of_another_time_zone_beside_the_others(berlin: Zoned, tmp_path: Path) -> None:
    one_agent(berlin)
    dbt_of(berlin, tmp_path)(*BUILD_CLEANED)
    before = contents(berlin)
    with pytest.raises(AssertionError, match="another time zone than America/New_York.*build --full"):
        dbt_of(berlin, tmp_path, NEW_YORK)("run", "--select", "build_days")
    assert contents(berlin) == before
