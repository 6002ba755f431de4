"""The command that serves the schedules, or the trigger URL."""

from __future__ import annotations

from typing import Annotated

import typer


def serve(
    trigger: Annotated[
        str | None,
        typer.Option(
            "--trigger",
            metavar="HOST:PORT",
            help="Serve a URL that starts the clean-up instead; ROLLCALL_TRIGGER_TOKEN has its token.",
        ),
    ] = None,
    stale_after: Annotated[
        float,
        typer.Option(
            "--stale-after", metavar="MINUTES", min=0, help="With --trigger: /readyz wants a younger verdict."
        ),
    ] = 15,
) -> None:
    """Serve the scheduled deployments of prefect.yaml until stopped."""
    if trigger is not None:
        from rollcall.trigger.endpoint import serve_trigger

        serve_trigger(trigger, stale_after)
        return
    from rollcall.scheduling import serve as serve_deployments
    from rollcall.settings.configuration import load_settings

    load_settings()
    serve_deployments()
