"""The key of a run has few random digits, so two runs of one second may draw the same one."""

from __future__ import annotations

import pytest

from rollcall.ledger import runs
from rollcall.ledger.runs import open_run, past_runs
from rollcall.steps import flags
from tests.support.floor import Floor

FIRST, SECOND, THIRD = "20261122T193000Z-0001", "20261122T193000Z-0002", "20261122T193000Z-0003"


def test_a_run_takes_a_key_that_no_run_has(floor: Floor, monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = iter([FIRST, FIRST, FIRST, SECOND, SECOND, FIRST, THIRD])
    monkeypatch.setattr(runs, "run_id", lambda: next(drawn))
    with open_run(floor.workspace, "build") as first:
        assert first.id == FIRST
    with open_run(floor.workspace, "clean") as second:
        assert second.id == SECOND
        assert flags.switch(floor.workspace, "pause_cleaning", on=True)
    recorded = {run["run_id"]: run["command"] for run in past_runs(floor.workspace)}
    assert recorded == {FIRST: "build", SECOND: "clean", THIRD: "flags"}
    assert floor.rows("select run_id from rollcall_ops.lease") == [(SECOND,)]
