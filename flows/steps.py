"""Each step of the pipeline as a Prefect task: named, watched, never cached, never tried twice.

What a step finds stays in this process's memory. Prefect records that it ran, how it ended, and
the summary: no row of the application, no parameter of the connection.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any, TypedDict

import psycopg
from prefect import Flow, task
from prefect.artifacts import create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import FlowRun, State
from prefect.events import emit_event
from prefect.logging import get_run_logger
from prefect.states import Cancelled, Completed, Failed

from rollcall import console
from rollcall.database.connections import reason_of
from rollcall.errors import BreakerTripped, EvaluationError, LeaseHeld
from rollcall.ledger.runs import past_runs
from rollcall.pipeline import Pipeline
from rollcall.report.markdown import markdown_summary
from rollcall.rules.results import Verdict
from rollcall.rules.verdict import HEADLINES

__all__ = [
    "IN_MEMORY",
    "UNATTENDED",
    "alert",
    "approve",
    "assess",
    "clean",
    "ended",
    "left_to_another",
    "migrate",
    "plan",
    "publish",
    "stopped_by_breaker",
    "summarise",
    "verify",
]


class _InMemory(TypedDict):
    persist_result: bool
    retries: int


class _Unattended(_InMemory):
    on_failure: list[Any]


def _say_why(flow: Flow[..., Any], run: FlowRun, state: State[Any]) -> None:
    console.show_error(f"{flow.name} ({run.name}): {state.message}")


# Whatever the user's Prefect settings are: results are not written anywhere, changes not repeated.
IN_MEMORY: _InMemory = {"persist_result": False, "retries": 0}
UNATTENDED: _Unattended = {**IN_MEMORY, "on_failure": [_say_why]}
ARTIFACT = "readiness"
VERDICT_CHANGED = "rollcall.verdict.changed"
PROOF_FAILED = "rollcall.proof.failed"
BREAKER_TRIPPED = "rollcall.breaker.tripped"


def _step(method: Callable[..., Any]) -> Any:
    @functools.wraps(method)
    def step(*arguments: Any) -> Any:
        try:
            return method(*arguments)
        except psycopg.Error as error:
            # without the server's DETAIL, which may quote a row
            raise EvaluationError(f"the database refused: {reason_of(error)}") from None

    return task(name=method.__name__, cache_policy=NO_CACHE, **IN_MEMORY)(step)


assess = _step(Pipeline.assess)
plan = _step(Pipeline.plan)
approve = _step(Pipeline.approve)
migrate = _step(Pipeline.migrate)
clean = _step(Pipeline.clean)
verify = _step(Pipeline.verify)
publish = _step(Pipeline.publish)


@_step
def summarise(pipeline: Pipeline) -> None:
    """Keep the verdict and what was done with the flow run, as an artifact."""
    outcome = pipeline.outcome
    create_markdown_artifact(markdown_summary(outcome), ARTIFACT, f"Database {outcome.database}")


@_step
def alert(pipeline: Pipeline) -> bool:
    """Say that the verdict is another one than last time, or that the proof does not hold.

    Returns:
        whether there was anything to say.
    """
    outcome, now = pipeline.outcome, _verdict(pipeline)
    past = (run["verdict"] for run in past_runs(pipeline.workspace) if run["run_id"] != outcome.run_id)
    before = next(filter(None, past), None)
    is_new = before not in (None, now)
    if is_new:
        _tell(pipeline, VERDICT_CHANGED, {"from": before, "to": now})
        text = f"the verdict of {outcome.database} changed from {before} to {now}"
        get_run_logger().warning(text)
        console.show_error(text)
    if pipeline.failed_proof is not None:
        _tell(pipeline, PROOF_FAILED, {"run": outcome.run_id, "reason": str(pipeline.failed_proof)})
    return is_new or pipeline.failed_proof is not None


def ended(pipeline: Pipeline) -> State[Any]:
    """The flow run's last state, named after the verdict; failed when a person must act.

    Raises:
        EvaluationError: the proof does not hold.
    """
    if pipeline.failed_proof is not None:
        raise pipeline.failed_proof
    verdict = _verdict(pipeline)
    state = Failed if verdict is Verdict.NOT_READY else Completed
    return state(name=verdict.value, message=" ".join(HEADLINES[verdict]), data=pipeline.outcome)


def left_to_another(held: LeaseHeld) -> State[Any]:
    """The last state of a flow run that found another run at work, and changed nothing."""
    console.show_error(held.message)
    return Cancelled(name="LEASE_HELD", message=str(held))


def stopped_by_breaker(pipeline: Pipeline, tripped: BreakerTripped) -> State[Any]:
    """The last state of an unattended flow run that changed nothing: a person must look at the feed."""
    _tell(pipeline, BREAKER_TRIPPED, {"run": pipeline.outcome.run_id, "reason": str(tripped)})
    return Failed(name="BREAKER_TRIPPED", message=str(tripped))


def _tell(pipeline: Pipeline, event: str, payload: dict[str, Any]) -> None:
    """An event about the database, for automations that alert."""
    name = pipeline.outcome.database
    emit_event(
        event,
        resource={"prefect.resource.id": f"rollcall.database.{name}", "prefect.resource.name": name},
        payload=payload,
    )


def _verdict(pipeline: Pipeline) -> Verdict:
    latest = pipeline.outcome.latest
    assert latest is not None, "a flow judges before it ends"
    return latest.verdict
