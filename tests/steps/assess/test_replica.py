"""Assess on a standby: the same numbers, judged at its own instant, and nothing written."""

from __future__ import annotations

import time
from pathlib import Path

import psycopg
import pytest

from rollcall.ledger.runs import open_run
from rollcall.settings.configuration import load_settings
from rollcall.steps.assess.assessment import assess
from rollcall.steps.batches import ProgressCallback
from rollcall.steps.clean.cleaning import clean
from rollcall.steps.plan.pending_work import make_plan
from rollcall.workspace import Workspace
from tests.support.call_centre import call_centre, share_compilations
from tests.support.postgres import running_server, temporary_folder
from tests.support.standby import standby_of


@pytest.mark.medium
def test_assess_works_on_a_replica(tmp_path: Path) -> None:
    with temporary_folder() as folder, running_server() as primary:
        centre = call_centre(primary.conninfo(), tmp_path)
        standby = standby_of(primary, folder / "standby")
        try:
            with psycopg.connect(standby.conninfo(), autocommit=True) as connection:
                assert connection.execute("select pg_is_in_recovery()").fetchone() == (True,)
            environment = {
                "ROLLCALL_DATABASE_URL": standby.conninfo(),
                "ROLLCALL_STATE_DIR": str(share_compilations(tmp_path / "standby")),
            }
            workspace = Workspace(load_settings(environment=environment))
            assessment = assess(workspace, history=True)
            counts = {rule.name: rule.violations for rule in assessment.rules}
            planted = centre.planted.violations
            assert {name: counts[name] for name in planted} == planted
            assert make_plan(workspace).change_count == centre.planted.pending_changes
            with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), open_run(workspace, "clean"):
                pass
        finally:
            standby.stop()


@pytest.mark.slow
def test_a_clean_up_waits_for_a_replica_that_is_behind_and_goes_on_when_it_has_caught_up(
    tmp_path: Path,
) -> None:
    reasons: list[str | None] = []

    class Listener(ProgressCallback):
        def held(self, reason: str | None) -> None:
            reasons.append(reason)

    with temporary_folder() as folder, running_server() as primary:
        centre = call_centre(primary.conninfo(), tmp_path, {"replica_lag_max_seconds": 1})
        plan = centre.plan()
        with open_run(centre.workspace, "clean") as run:
            standby = standby_of(primary, folder / "standby", recovery_min_apply_delay="3s")
            try:
                with psycopg.connect(primary.conninfo(), autocommit=True) as application:
                    application.execute("create table noise (n integer)")
                    lag = "select max(replay_lag) > interval '1.5 s' from pg_stat_replication"
                    while (application.execute(lag).fetchone() or ())[0] is not True:
                        application.execute("insert into noise values (1)")
                        time.sleep(0.1)
                    result = clean(centre.workspace, run, plan, Listener())
            finally:
                standby.stop()
    assert (result.changed, result.skipped) == (centre.planted.pending_changes, [])
    assert reasons[0] is not None
    assert reasons[0].startswith("a replica is ")
    assert reasons[-1] is None
