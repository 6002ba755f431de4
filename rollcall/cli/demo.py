"""Commands that need no database of yours: demo and simulate."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from rollcall.cli.options import (
    Json,
    Vars,
)
from rollcall.cli.output import (
    print_json,
    quieten,
)
from rollcall.cli.shared import execute_pipeline


def demo(
    agents: Annotated[int, typer.Option(help="Agents of the demo call centre.")] = 200,
    sessions: Annotated[int, typer.Option(help="Sessions, most of them history.")] = 20_000,
    calls: Annotated[int, typer.Option(help="Calls, most of them history.")] = 100_000,
    days: Annotated[int, typer.Option(help="Days of history.")] = 90,
    seed: Annotated[int, typer.Option(help="The same seed gives the same call centre.")] = 1,
    as_json: Json = False,
) -> None:
    """Start an embedded PostgreSQL, load a damaged call centre, run everything."""
    from rollcall.cli.prepare_demo import prepare
    from rollcall.sandbox.demo import Scale
    from rollcall.service.scheduling import start_server_early
    from rollcall.settings.configuration import load_settings

    quieten(as_json)
    start_server_early(load_settings(conninfo="").state_directory)  # it starts while the data is loaded
    scale = Scale(agents=agents, sessions=sessions, calls=calls, days=days, seed=seed)
    os.environ["ROLLCALL_DATABASE_URL"] = prepare(scale)
    execute_pipeline(None, "yes", history=True, as_json=as_json)


def simulate(
    agents: Annotated[int, typer.Option(help="Simulated agents.")] = 50,
    seconds: Annotated[float, typer.Option(help="How long, in real time.")] = 30,
    speed: Annotated[
        float, typer.Option(help="How many times faster than in reality; default thresholds shrink with it.")
    ] = 100,
    seed: Annotated[int, typer.Option(help="The same seed gives the same decisions of all agents.")] = 1,
    calls_per_hour: Annotated[float, typer.Option(help="Outbound, of an agent in a simulated hour.")] = 7,
    connections: Annotated[
        int | None, typer.Option(help="Of the application; by default one for eight agents.")
    ] = None,
    create: Annotated[bool, typer.Option("--create", help="Make the application's tables first.")] = False,
    with_migration: Annotated[bool, typer.Option("--migrate", help="Run the migration first.")] = False,
    route_by_heartbeat: Annotated[
        bool, typer.Option("--route-by-heartbeat", help="Switch the flag on, and judge the routing by it.")
    ] = False,
    clean_every: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Clean beside the traffic, this often.")
    ] = None,
    kill_every: Annotated[
        float | None, typer.Option(metavar="SECONDS", help="Kill the clean-up (kill -9), about this often.")
    ] = None,
    truth: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write the ground truth as JSON lines.")
    ] = None,
    test_database: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="The name of a test database that Rollcall did not create."),
    ] = None,
    as_json: Json = False,
    variables: Vars = None,
) -> None:
    """Simulate traffic with known ground truth, and report wrong or missing changes."""
    from rollcall import console
    from rollcall.sandbox.simulator import Options
    from rollcall.sandbox.simulator import simulate as execute
    from rollcall.settings.configuration import load_settings

    quieten(as_json)
    options = Options(
        agents=agents,
        seconds=seconds,
        speed=speed,
        seed=seed,
        calls_per_hour=calls_per_hour,
        connections=connections,
        create=create,
        migrate=with_migration,
        route_by_heartbeat=route_by_heartbeat,
        clean_every=clean_every,
        kill_every=kill_every,
        truth_file=truth,
    )
    outcome = execute(load_settings(variables), options, test_database, console.show_progress_of_simulation)
    if as_json:
        print_json(outcome.to_json())
    else:
        console.show_simulation(outcome)
    raise typer.Exit(0 if outcome.holds else 1)
