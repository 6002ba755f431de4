"""The command that serves the schedules."""

from __future__ import annotations


def serve() -> None:
    """Serve the scheduled deployments of prefect.yaml until stopped."""
    from rollcall.scheduling import serve as serve_deployments
    from rollcall.settings.configuration import load_settings

    load_settings()
    serve_deployments()
