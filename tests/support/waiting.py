"""Wait for what another process or connection does."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

PATIENCE = 300.0
"""Seconds after which a test gives up waiting. Long, so that a busy machine does not fail a test."""


def until(happened: Callable[[], Any], seconds: float = PATIENCE) -> Any:
    """Wait until the function gives something true, and return that."""
    deadline = time.monotonic() + seconds
    while not (value := happened()):
        assert time.monotonic() < deadline, f"it never happened: {happened}"
        time.sleep(0.02)
    return value
