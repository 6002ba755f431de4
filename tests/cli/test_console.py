"""What the console prints at any width, and the lines for errors of the server."""

from __future__ import annotations

import io
from typing import Any

import psycopg
import pytest
from rich.console import Console

from rollcall import console
from rollcall.cli.output import unexpected
from rollcall.console import terminal
from tests.support.outcomes import OUTCOMES, RUN_ID

RUN: dict[str, Any] = {
    "run_id": RUN_ID,
    "command": "clean",
    "verdict": "NEEDS_DATABASE_MIGRATION",
    "changed": 104,
    "failure": None,
    "finished_at": "2026-11-22T12:00:00Z",
    "approved_by": None,
    "rules": [],
}


@pytest.mark.parametrize("width", [60, 80])
def test_a_run_id_can_be_copied_from_the_history(width: int, monkeypatch: pytest.MonkeyPatch) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(terminal, "out", Console(width=width, file=shown))
    console.show_history([RUN])
    assert RUN_ID in shown.getvalue()


@pytest.mark.parametrize(
    ("name", "text"),
    [("unreadable", "next: Missing select privilege: "), ("needs_cleanup", "next: Read the plan")],
)
def test_a_verdict_that_is_not_ready_says_what_is_next(
    name: str, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = io.StringIO()
    monkeypatch.setattr(terminal, "out", Console(width=80, file=shown))
    outcome = OUTCOMES[name]()
    assert outcome.latest is not None
    console.show_assessment(outcome.latest)
    console.show_next_steps(outcome)
    assert text in shown.getvalue()
    assert shown.getvalue().count("NOT_JUDGED") == (3 if name == "unreadable" else 0)


def test_a_missing_privilege_leads_to_doctor() -> None:
    refused = unexpected(psycopg.errors.InsufficientPrivilege("permission denied for schema rollcall_ops"))
    assert refused == (
        1,
        "The database refused: permission denied for schema rollcall_ops."
        " `rollcall doctor` names each missing privilege and its remedy.",
    )
