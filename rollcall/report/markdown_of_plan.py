"""A summary of a plan in GitHub-flavoured Markdown, for the person who has to approve it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

from rollcall.report.text import moment, printable

if TYPE_CHECKING:
    from rollcall.steps.plan.pending_work import Plan

__all__ = ["plan_summary"]

STATEMENTS_SHOWN = 200
APPLY = "rollcall-apply-approved-plan/apply-approved-plan"


def plan_summary(plan: Plan) -> str:
    """Summarise a plan: its hash, its statements, and the number of changes. No key of a row is shown."""
    return "\n".join([*_header(plan), *_statements(plan), *_changes(plan), *_next_steps(plan)]) + "\n"


def _header(plan: Plan) -> Iterator[str]:
    yield "## A plan waits for approval"
    yield ""
    yield f"Database {_code(plan.database)}, judged at {moment(plan.judged_at)}."
    yield f"Plan {_code(plan.hash)}, valid until {moment(plan.expires_at)}."
    yield ""


def _statements(plan: Plan) -> Iterator[str]:
    yield f"### {len(plan.statements)} statements"
    yield ""
    for statement in plan.statements[:STATEMENTS_SHOWN]:
        yield f"- {_code(statement.object_name)}: {_code(statement.lock)}"
        yield ""
        yield "  ```sql"
        yield from (f"  {_fenced(line)}" for line in statement.sql.splitlines())
        yield "  ```"
        yield ""
    if len(plan.statements) > STATEMENTS_SHOWN:
        yield f"{len(plan.statements) - STATEMENTS_SHOWN} more statements are not shown."
        yield ""


def _changes(plan: Plan) -> Iterator[str]:
    yield f"### {plan.change_count} session changes"
    yield ""
    if plan.change_count:
        yield "| remedy or rule | sessions |"
        yield "| --- | --- |"
        for name, count in (*sorted(plan.by_remedy.items()), *sorted(plan.by_rule.items())):
            yield f"| {_code(name)} | {count} |"
        yield ""


def _next_steps(plan: Plan) -> Iterator[str]:
    yield "### To approve it"
    yield ""
    yield "```console"
    yield f"$ rollcall run --plan {plan.hash} --approved-by NAME"
    yield f"$ prefect deployment run {APPLY} -p plan_hash={plan.hash} -p approved_by=NAME"
    yield "```"


def _code(text: str) -> str:
    """Code within a line or a cell of a table; a backtick or a bar in it cannot end it."""
    return f"`{printable(text).replace('`', chr(39)).replace('|', '/')}`"


def _fenced(line: str) -> str:
    """A line of a block of code, which it cannot end."""
    return printable(line).replace("`", "'")
