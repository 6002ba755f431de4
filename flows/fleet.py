"""A fleet on the workers of a pool: a run for each database, and one scorecard."""

from __future__ import annotations

from typing import Any

from prefect import flow
from prefect.artifacts import create_markdown_artifact, create_table_artifact
from prefect.client.schemas.objects import State
from prefect.states import Completed, Failed

from flows import tasks
from rollcall.service.fleet.on_workers import STANDING, judge_on_workers, standing_here

__all__ = ["fleet", "fleet_database"]

DEPLOYMENT = "rollcall-fleet-database/fleet-database"
LONGEST_SECONDS = 12 * 3600  # of hundreds of databases, each of which has its own deadline


@flow(name="rollcall-fleet", flow_run_name="fleet", timeout_seconds=LONGEST_SECONDS, **tasks.IN_MEMORY)
async def fleet(clean: bool = False, only: list[str] | None = None) -> State[Any]:
    """Judge the databases of the file that ROLLCALL_FLEET names, each in a run of its own.

    Args:
        clean: run the unattended clean-up of each database before it is judged.
        only: judge the databases with these names, and keep the standing of the others; none: all.
    """
    scorecard, page = await judge_on_workers(DEPLOYMENT, clean=clean, only=set(only or ()))
    await create_markdown_artifact(  # type: ignore[misc]
        f"{scorecard.to_markdown()}\nThe page: `{page}`\n", "fleet", "The scorecard of the fleet"
    )
    state = Failed if scorecard.counts["NOT_EVALUATED"] else Completed
    return state(name=scorecard.title, message=scorecard.summary)


@flow(name="rollcall-fleet-database", flow_run_name="fleet-{name}", **tasks.IN_MEMORY)
def fleet_database(name: str, clean: bool = False) -> State[Any]:
    """Judge one database of the fleet. The flow `rollcall-fleet` starts it.

    Args:
        name: the name of the database in the file of the fleet.
        clean: run the unattended clean-up before it is judged.
    """
    table = standing_here(name, clean=clean)
    create_table_artifact(table, STANDING, f"Database {name}")
    return Completed(name=table[0]["verdict"] or "NOT_EVALUATED", message=table[0]["problem"] or None)
