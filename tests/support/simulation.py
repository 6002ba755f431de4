"""Simulations on a test's database, with compressed time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import yaml

from rollcall.ledger.runs import open_run
from rollcall.rules.results import Verdict
from rollcall.sandbox.simulator import Options, Report, Simulation
from rollcall.settings.configuration import Settings, load_settings
from rollcall.steps.clean.cleaning import clean
from rollcall.steps.plan.pending_work import make_plan
from rollcall.steps.verify import verify
from rollcall.workspace import Workspace
from tests.support.call_centre import share_compilations

COMPRESSED = {
    "abandoned_after_hours": 0.00125,  # 4.5 s
    "live_call_max_hours": 0.0027,
    "settle_minutes": 0.01,
    "presence_minutes": 0.04,
    "heartbeat_explains_seconds": 0.01,
}


ROOMY = {
    "abandoned_after_hours": 0.0034,  # 12 s, for a machine with more to do
    "live_call_max_hours": 0.007,
    "settle_minutes": 0.02,
    "presence_minutes": 0.12,
    "heartbeat_explains_seconds": 0.01,
}


SEVERAL = {"batch_connections": 2, "first_batch_rows": 2, "largest_batch_rows": 2}


def connections(seed: int) -> dict[str, int]:
    """Every other seed is cleaned on two connections."""
    return SEVERAL if seed % 2 else {}


def settings_of(url: str, state: Path, folder: Path | None = None, **variables: Any) -> Settings:
    """The settings of a simulation. folder: of `rollcall.yml`."""
    environment = {"ROLLCALL_DATABASE_URL": url, "ROLLCALL_STATE_DIR": str(share_compilations(state))}
    if folder is not None:
        environment["ROLLCALL_CONFIG"] = str(folder)
    return load_settings(yaml.safe_dump(variables), environment=environment)


def run(settings: Settings, options: Options, *beside: Callable[[Simulation], Awaitable[None]]) -> Report:
    simulation = Simulation(settings, options)
    simulation.prepare()
    simulation.beside += beside
    return asyncio.run(simulation.run())


def assert_holds(report: Report) -> None:
    """No session was wronged, left or misrouted; what was found instead is printed whole."""
    found = [finding.to_json() for finding in (*report.wronged, *report.left_open, *report.misrouted)]
    assert not found, json.dumps(found, indent=1)


def assert_a_clean_up_makes_ready(settings: Settings) -> None:
    """One clean-up after the traffic, and at its own instant the verdict is READY."""
    workspace = Workspace(settings)
    plan = make_plan(workspace)
    with open_run(workspace, "run") as last:
        clean(workspace, last, plan)
        proof = verify(workspace, last.id, plan.judged_at)
    assert proof.holds
    assert proof.assessment.verdict is Verdict.READY
