"""The command that serves the schedules, or the trigger URL."""

from __future__ import annotations

from typing import Annotated

import typer

from rollcall.errors import ConfigurationError


def serve(
    trigger: Annotated[
        str | None,
        typer.Option(
            "--trigger",
            metavar="HOST:PORT",
            help="Serve a URL that starts the clean-up instead; ROLLCALL_TRIGGER_TOKEN has its token.",
        ),
    ] = None,
    port: Annotated[
        int | None,
        typer.Option(
            "--port",
            metavar="N",
            min=1,
            max=65_535,
            help="The port of Rollcall's own Prefect server; else 4200, or a free one.",
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
    if trigger is not None and port is not None:
        raise ConfigurationError("--port is for the schedules, not for --trigger", "give --trigger HOST:PORT")
    if trigger is not None:
        from rollcall.service.trigger.endpoint import serve_trigger

        serve_trigger(trigger, stale_after)
        return
    from rollcall.service.scheduling import serve as serve_deployments
    from rollcall.settings.configuration import load_settings

    load_settings()
    serve_deployments(port=port)
