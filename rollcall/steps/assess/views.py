"""Judge the deployed views of cleaned data with their suites."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING

import psycopg

from rollcall.database.connections import Snapshot, reason_of
from rollcall.dbt.project import RollcallRelation
from rollcall.errors import EvaluationError
from rollcall.schema.declared import Statement
from rollcall.workspace import Workspace

if TYPE_CHECKING:
    from rollcall.rules.judging import Judgement

__all__ = ["count_routable_agents", "judge_cleaned_sessions", "judge_views"]

SESSIONS = ("cleaned_sessions", "agent_sessions")  # a suite and its view, of all sessions
AGENTS = ("routable_agents", "routable_agents")  # one row per present agent, queried by GX itself


def judge_views(
    workspace: Workspace,
    snapshot: Snapshot,
    statements: Sequence[Statement],
    judged_at: datetime | None,
    *,
    of_all_sessions: bool,
) -> list[Judgement]:
    """Judge the suites of the views that are deployed as declared.

    Args:
        statements: the pending ones; a view among them is not judged.
        of_all_sessions: judge the view of all sessions, too.

    Raises:
        EvaluationError: a view, or one of its columns, cannot be read.
    """
    from rollcall.rules.judging import judge_table

    pending = {item.object_name for item in statements if item.kind == "view"}
    judged: list[Judgement] = []
    if of_all_sessions and _name(_view(workspace, SESSIONS[1])) not in pending:
        judged.append(judge_cleaned_sessions(workspace, snapshot))
    suite, view = workspace.suites[AGENTS[0]], _view(workspace, AGENTS[1])
    if _name(view) not in pending:
        connect = workspace.database.connect_unset
        judged.append(judge_table(suite, connect, view.schema, view.name, snapshot.exported(), judged_at))
    return judged


def judge_cleaned_sessions(workspace: Workspace, snapshot: Snapshot) -> Judgement:
    """Judge the view of all sessions, counted in one pass.

    Raises:
        EvaluationError: the view, or one of its columns, cannot be read.
    """
    from rollcall.rules.judging import judge_counted_rows

    suite = workspace.suites[SESSIONS[0]]
    (promised,) = (
        expectation["kwargs"]["column_set"]
        for expectation in suite.document["expectations"]
        if "column_set" in expectation["kwargs"]
    )
    query = workspace.project.sql("cleaned_session_counts")
    try:
        with snapshot.connection.transaction():
            counts = snapshot.row(query, [promised])
    except psycopg.Error as error:
        raise EvaluationError(
            f"{_name(_view(workspace, SESSIONS[1]))} could not be judged: {reason_of(error)}",
            "If a column of ours is missing, `rollcall run` deploys the views again.",
        ) from None
    return judge_counted_rows(suite, counts)


def count_routable_agents(workspace: Workspace, statements: Sequence[Statement]) -> int | None:
    """The number of agents that an inbound call may reach now; none where the view is not as declared.

    Args:
        statements: the pending ones.
    """
    if _name(_view(workspace, AGENTS[1])) in {item.object_name for item in statements}:
        return None
    with workspace.database.snapshot() as snapshot:
        return int(snapshot.row(workspace.project.sql("routable_agents_now"))["routable_agents"])


def _view(workspace: Workspace, name: str) -> RollcallRelation:
    return next(own for own in workspace.project.rollcall_relations if own.name == name)


def _name(view: RollcallRelation) -> str:
    return f"{view.schema}.{view.name}"
