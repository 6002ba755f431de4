"""Every step that sends a statement, one after the other."""

from __future__ import annotations

from rollcall.ledger.runs import open_run, past_runs
from rollcall.steps.assess.assessment import assess
from rollcall.steps.clean.cleaning import clean
from rollcall.steps.doctor.examination import examine
from rollcall.steps.doctor.grants import grants
from rollcall.steps.flags import show, switch
from rollcall.steps.migrate.migration import migrate
from rollcall.steps.plan.pending_work import make_plan
from rollcall.steps.undo import undo
from rollcall.steps.verify import verify
from rollcall.workspace import Workspace


def everything(workspace: Workspace) -> str:
    """Take every step on a damaged call centre; gives the run that was undone."""
    assess(workspace, history=True, details=True, samples=3)
    examine(workspace)
    grants(workspace)
    plan = make_plan(workspace)
    with open_run(workspace, "run") as run:
        assert migrate(workspace, run, plan.statements).skipped == []
        assert clean(workspace, run, plan).changed > 0
        verify(workspace, run.id, plan.judged_at, history=True)
    switch(workspace, "route_by_heartbeat", on=False)
    show(workspace)
    assess(workspace, full_history=True, details=True)
    past_runs(workspace)
    undone = undo(workspace, run.id)
    assert undone.changed > 0
    assert undone.conflicts == []
    assert make_plan(workspace).change_count > 0
    return run.id
