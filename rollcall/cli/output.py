"""Output of the commands: JSON, reports, and the exit code of a verdict."""

from __future__ import annotations

import json
import os
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import typer

from rollcall.errors import RollcallError
from rollcall.process.log_format import log
from rollcall.rules.verdict import FailOn, exit_code_of

if TYPE_CHECKING:
    from rollcall.report.outcome import RunOutcome
    from rollcall.rules.results import Assessment
    from rollcall.steps.verify import Verification
    from rollcall.workspace import Workspace

__all__ = [
    "BLOCKED",
    "PARTLY_DONE",
    "USAGE",
    "exit_with_verdict",
    "failure_line",
    "json_owed",
    "print_json",
    "quieten",
    "unexpected",
    "write_file",
    "write_reports",
]

USAGE = 2
PARTLY_DONE = 5
BLOCKED = 12

json_owed: set[str] = set()  # one item between reading `--json` and printing the document


def quieten(as_json: bool) -> None:
    if as_json:
        json_owed.add("document")
        from rollcall import console

        console.use_stderr()


def print_json(document: Any) -> None:
    json_owed.clear()
    json.dump(document, sys.stdout, ensure_ascii=False, indent=2, default=_json_value)
    sys.stdout.write("\n")


def _json_value(value: Any) -> str:
    return value.isoformat() if hasattr(value, "isoformat") else str(value)


def write_reports(
    workspace: Workspace,
    command: str,
    assessment: Assessment,
    junit: Path | None,
    markdown: Path | None,
    report: Path | None,
    fail_on: FailOn,
    verification: Verification | None = None,
    run_id: str | None = None,
) -> RunOutcome:
    """Write the requested reports, and return what they are about."""
    from rollcall import console
    from rollcall.report.outcome import RunOutcome

    outcome = RunOutcome(
        run_id=run_id,
        command=command,
        database=workspace.database.name,
        started_at=assessment.snapshot_at,
        finished_at=datetime.now(UTC),
        before=None if verification else assessment,
        verification=verification,
        fail_on=fail_on,
    )
    if junit is not None:
        from rollcall.report.junit import junit_xml

        write_file(junit, junit_xml(assessment, fail_on, broken_proof=outcome.broken_proof))
    if markdown is not None:
        from rollcall.report.markdown import markdown_summary

        write_file(markdown, markdown_summary(outcome))
    if report is not None:
        from rollcall.report.folder import publish

        console.show_report(publish(report, outcome))
    return outcome


def write_file(path: Path, text: str) -> None:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise RollcallError(f"cannot write {path}: {error.strerror}", "give another file") from error


def exit_with_verdict(assessment: Assessment, fail_on: FailOn = FailOn.CRITICAL) -> None:
    log.info("The verdict is %s", assessment.verdict, extra={"verdict": assessment.verdict.value})
    raise typer.Exit(exit_code_of(assessment.verdict, assessment.rules, fail_on))


def failure_line(error: BaseException) -> str | None:
    """The error that ended a judgement, in one line; none if there was a judgement."""
    if isinstance(error, typer.Exit):
        return None
    if isinstance(error, RollcallError):
        return error.text
    if isinstance(error, Exception) and not isinstance(error, typer.Abort):
        return unexpected(error)[1]
    return "interrupted before the database was judged"


def unexpected(error: Exception) -> tuple[int, str]:
    """The exit code and the line for a usage error, a server error, or a fault."""
    if isinstance(error, typer.exceptions.TyperException):
        return USAGE, f"{error.format_message()} (`rollcall --help` lists what there is)"
    if os.environ.get("ROLLCALL_DEBUG"):
        raise error

    import psycopg

    if isinstance(error, psycopg.Error):
        from rollcall.database.connections import reason_of

        hint = "`rollcall doctor` names each missing privilege and its remedy"
        is_privilege = isinstance(error, psycopg.errors.InsufficientPrivilege)
        refused = f"the database refused: {reason_of(error)}"
        return 1, RollcallError(refused, hint if is_privilege else "").text
    return 1, f"{type(error).__name__}: {error} (this is a fault; ROLLCALL_DEBUG=1 shows where)"
