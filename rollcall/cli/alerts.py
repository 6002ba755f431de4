"""The command that shows, checks and tests the alerts."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from rollcall.cli.options import Json, Vars
from rollcall.cli.output import PARTLY_DONE, print_json, quieten
from rollcall.cli.shared import open_workspace

__all__ = ["alerts"]

NONE_DELIVERED = 1


class Action(StrEnum):
    """What to do beside showing the alerts."""

    TEST = "test"
    CHECK = "check"


def alerts(
    action: Annotated[
        Action | None,
        typer.Argument(
            metavar="test|check",
            help="test: send a test message to every channel. check: send what the ledger says.",
        ),
    ] = None,
    as_json: Json = False,
    variables: Vars = None,
) -> None:
    """Show the state of every alert, test the channels, or check for missed runs."""
    if action is Action.TEST:
        _test(as_json, variables)
    elif action is Action.CHECK:
        _check(as_json, variables)
    else:
        _show(as_json, variables)


def _show(as_json: bool, variables: str | None) -> None:
    from rollcall import console
    from rollcall.ledger.runs import ledger_needed
    from rollcall.service.alerts.memory import read_states

    workspace = open_workspace(variables, as_json)
    with ledger_needed():
        shown = [state.to_public_json() for state in read_states(workspace)]
    if as_json:
        print_json(shown)
    else:
        console.show_alerts(shown)


def _test(as_json: bool, variables: str | None) -> None:
    from rollcall import console
    from rollcall.service.alerts.alerting import test_channels
    from rollcall.settings.configuration import load_settings

    quieten(as_json)
    deliveries = test_channels(load_settings(variables, conninfo=""))
    if as_json:
        print_json([delivery.to_json() for delivery in deliveries])
    else:
        console.show_deliveries([delivery.to_json() for delivery in deliveries])
    delivered = sum(delivery.is_delivered for delivery in deliveries)
    raise typer.Exit(0 if delivered == len(deliveries) else PARTLY_DONE if delivered else NONE_DELIVERED)


def _check(as_json: bool, variables: str | None) -> None:
    from rollcall import console
    from rollcall.service.alerts.alerting import CHECK, alerting_of_failures, check
    from rollcall.settings.configuration import load_settings
    from rollcall.workspace import Workspace

    quieten(as_json)
    settings = load_settings(variables)
    with alerting_of_failures(settings, CHECK):
        alerted = check(Workspace(settings))
    if as_json:
        print_json(alerted.to_json())
    else:
        console.show_news([news.text for news in alerted.news])
    raise typer.Exit(0 if all(one.is_delivered for one in alerted.deliveries) else PARTLY_DONE)
