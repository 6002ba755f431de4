"""The unattended clean-up that is verified, or whose configuration has channels for alerts."""

from __future__ import annotations

from rollcall.pipeline import steps
from rollcall.pipeline.job import Approval, Job
from rollcall.service.alerts.alerting import alert, alerting_of_failures
from rollcall.settings.configuration import Settings
from rollcall.steps.clean.cleaning import CleaningResult, refuse_read_only
from rollcall.workspace import Workspace

__all__ = ["clean_and_alert"]


def clean_and_alert(settings: Settings, plan: str | None, approved_by: str | None) -> CleaningResult:
    """Clean, judge and prove as the scheduled flow does, and send what is news.

    Raises:
        ProofFailed: the alert is sent.
        RollcallError: as the steps do; the alert is sent.
    """
    with alerting_of_failures(settings, "clean"):
        job = Job(Workspace(settings), "clean", Approval.UNATTENDED, plan, approved_by=approved_by)
        outcome = None
        try:
            with job:
                refuse_read_only(settings)
                approved = steps.approve(job, steps.plan(job))
                cleaning = steps.clean(job, approved)
                verification = steps.verify_run(job, approved)
                outcome = job.outcome(
                    approved.run.id, plan=approved.plan, cleaning=cleaning, verification=verification
                )
                if outcome.failed_proof is not None:
                    raise outcome.failed_proof
        finally:
            if outcome is not None:  # the run has ended, and another one need not wait for the receivers
                done = outcome
                alert(job.workspace, done, lambda: steps.publish(job, done))
        return cleaning
