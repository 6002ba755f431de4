"""The scorecard on the console."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

from rollcall.console import terminal
from rollcall.service.fleet.scorecard import Scorecard, Standing
from rollcall.service.fleet.terminal import show_scorecard
from tests.support.outcomes import NOON

SERVER = 'connection to server at "127.0.0.1", port 5999 failed'
REASON = f"Cannot connect to the database: {SERVER}: Connection refused"


def test_the_reason_for_which_a_database_was_not_evaluated_is_shown_to_its_end(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(terminal, "out", Console(width=80, file=shown))
    standing = Standing("madrid", "", None, f"{REASON}; Is the server running?", None, None, None)
    show_scorecard(Scorecard(NOON, NOON, (standing,)), Path("index.html"))
    assert "refused" in shown.getvalue()
