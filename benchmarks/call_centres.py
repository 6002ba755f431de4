"""Call centres of any size: the demo's data, a repeated history, abandoned sessions."""

from __future__ import annotations

import contextlib
from typing import Any

import psycopg

from benchmarks.server import Databases, connect, settle
from benchmarks.statements import statements_of
from rollcall.ledger.runs import open_run
from rollcall.sandbox.demo import DefectCounts, Scale, Variant, load_call_centre
from rollcall.settings.configuration import load_settings
from rollcall.steps.clean.cleaning import clean
from rollcall.steps.plan.pending_work import make_plan
from rollcall.workspace import Workspace

__all__ = ["agents_of", "cleaned", "forget_sessions", "load", "observed", "repeat_history"]

AGENTS_PER_SESSION = 1 / 1_000

# The timestamp columns of the application's tables, which are shifted into the past.
SESSIONS = ("agent_sessions", ("login_at", "logout_at", "last_activity"), "logout_at is not null")
CALLS = (
    "call_sessions",
    ("started_at", "connected_at", "ended_at", "created_at", "updated_at"),
    "ended_at is not null and status in "
    "('completed', 'failed', 'no_answer', 'missed_call', 'hung_up', 'busy', 'canceled')",
)

SQL = statements_of("call_centres")


def agents_of(sessions: int) -> int:
    """The agents of a call centre of so many sessions: one to a thousand, and at least those of the demo."""
    return max(Scale.agents, round(sessions * AGENTS_PER_SESSION))


def cleaned(databases: Databases, name: str, sessions: int, calls_per_session: int = 2) -> Workspace:
    """A migrated and cleaned call centre in a new database."""
    url = databases.create(name)
    load(url, Scale(agents=agents_of(sessions), sessions=sessions, calls=calls_per_session * sessions))
    workspace = databases.workspace(url)
    databases.migrated(workspace)
    plan = make_plan(workspace)
    with open_run(workspace, "clean") as run:
        clean(workspace, run, plan)
    settle(url)
    return workspace


def observed(databases: Databases, name: str, sessions: int) -> Workspace:
    """The cleaned call centre with five calls to a session and looks every five minutes.

    One session in ten has made-up presence, three intervals each. The last one of every thirtieth of these is
    a ghost's.
    """
    workspace = cleaned(databases, name, sessions, calls_per_session=5)
    url = workspace.settings.conninfo
    with open_run(workspace, "verify") as run, connect(url) as connection:
        connection.execute(SQL["looks"], [run.id])
        connection.execute(SQL["presence"])
    settle(url)
    return workspace


def load(
    url: str,
    scale: Scale,
    defects: DefectCounts | None = None,
    variant: Variant | None = None,
) -> None:
    """Load the demo's call centre at some scale."""
    names = load_settings(environment={}, conninfo=url).variables
    with contextlib.closing(psycopg.connect(url)) as connection:
        load_call_centre(connection, scale, names, variant, defects)
        connection.commit()


def forget_sessions(url: str, count: int) -> None:
    """Add abandoned sessions, evenly to all agents without a call."""
    with connect(url) as connection:
        connection.execute(SQL["forgotten sessions"], [count])


def repeat_history(url: str, times: int, days: int) -> None:
    """Repeat the history `times` times, in consecutive periods of `days` days.

    Open sessions, unfinished calls and the agents stay as they are, so every rule finds the same.
    """
    with connect(url) as connection, connection.transaction():
        tables = (SESSIONS, CALLS)
        remake = [statement for table, _, _ in tables for statement in _drop_indexes(connection, table)]
        for table, instants, is_over in tables:
            _repeat(connection, table, instants, is_over, times, days)
        for statement in sorted(remake, key=lambda text: "foreign key" in text.lower()):
            connection.execute(statement)
    settle(url)


def _repeat(
    connection: Any, table: str, instants: tuple[str, ...], is_over: str, times: int, days: int
) -> None:
    """Repeat a table's rows, the oldest period first, in the order of real inserts."""
    columns = [
        name
        for (name,) in connection.execute(
            "select attname from pg_attribute where attrelid = %s::regclass and attnum > 0"
            " and not attisdropped order by attnum",
            [table],
        )
    ]
    moved = ", ".join(
        "gen_random_uuid()"
        if name == "id"
        else f"{name} - period * interval '{days} days'"
        if name in instants
        else name
        for name in columns
    )
    listed = ", ".join(columns)
    connection.execute(f"create temporary table latest as select * from {table}")
    connection.execute(f"truncate {table}")
    for period in range(times - 1, 0, -1):
        connection.execute(
            f"insert into {table} ({listed})"
            f" select {moved} from latest, (select {period} as period) as p where {is_over}"
        )
    connection.execute(f"insert into {table} ({listed}) select {listed} from latest")
    connection.execute("drop table latest")


def _drop_indexes(connection: Any, table: str) -> list[str]:
    """Drop the keys and indexes of a table; returns the statements that create them again."""
    constraints = connection.execute(
        "select conname, pg_get_constraintdef(oid) from pg_constraint"
        " where conrelid = %s::regclass and contype in ('p', 'u', 'f') order by contype",
        [table],
    ).fetchall()
    for name, _ in constraints:
        connection.execute(f'alter table {table} drop constraint "{name}"')
    indexes = connection.execute(
        "select indexrelid::regclass::text, pg_get_indexdef(indexrelid) from pg_index"
        " where indrelid = %s::regclass",
        [table],
    ).fetchall()
    for name, _ in indexes:
        connection.execute(f"drop index {name}")
    return [
        *(f'alter table {table} add constraint "{name}" {text}' for name, text in constraints),
        *(text for _, text in indexes),
    ]
