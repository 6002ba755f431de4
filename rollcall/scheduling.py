"""Prefect's surroundings: where it keeps its files, and the served deployments."""

from __future__ import annotations

import os
from pathlib import Path

__all__ = ["prepare_prefect", "serve"]

SERVER_START_SECONDS = 180


def prepare_prefect(state_directory: Path) -> None:
    """Set Prefect's defaults, before it is imported; what the user has set stays.

    Args:
        state_directory: Prefect's own database and profiles go below it.
    """
    defaults = {
        "DO_NOT_TRACK": "1",
        "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
        "PREFECT_HOME": str(state_directory / "prefect"),
        "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": str(SERVER_START_SECONDS),
        "PREFECT_LOGGING_LEVEL": "WARNING",
        "PREFECT_CLI_PROMPT": "false",
    }
    for name, value in defaults.items():
        os.environ.setdefault(name, value)


def serve() -> None:
    raise NotImplementedError
