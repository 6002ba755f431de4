"""The tables of a simulation: find them, create them, and refuse real data."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql

from rollcall.database.connections import Database, fetch
from rollcall.errors import ConfigurationError, Refused
from rollcall.sandbox.demo.rows import Words
from rollcall.sandbox.demo.schema import Schema, Variant, name, sections_of, table
from rollcall.sandbox.simulator.application import Column
from rollcall.sandbox.simulator.statements import OPTIONAL, ROW_PER_AGENT, shape_of

__all__ = ["create_tables", "read_columns", "refuse_what_is_not_for_tests"]

TABLES = ("agents_table", "sessions_table", "calls_table")
MARK = "demo_truth"
"""The schema that the demo and the simulator create beside their tables."""


def create_tables(database: Database, names: Mapping[str, Any]) -> None:
    """Create the application's tables as before Rollcall's migration, all or nothing.

    Raises:
        ConfigurationError: such tables exist already, or the simulator plays no such application.
    """
    shape = shape_of(names)
    with contextlib.closing(psycopg.connect(database.conninfo)) as connection:
        try:
            with connection.transaction(), connection.cursor() as cursor:
                if shape is ROW_PER_AGENT:
                    _create_rows_for_ever(cursor, names)
                else:
                    schema = Schema(names, Variant(), Words(names).status_values())
                    schema.create_tables(cursor)
                    schema.add_constraints(cursor, all_agents_known=True)
        except (
            psycopg.errors.DuplicateTable,
            psycopg.errors.DuplicateSchema,
            psycopg.errors.DuplicateColumn,
        ) as error:
            raise ConfigurationError(
                f"the tables cannot be made: {error.diag.message_primary}",
                "leave --create out, or take an empty database",
            ) from error


def _create_rows_for_ever(cursor: psycopg.Cursor, names: Mapping[str, Any]) -> None:
    """Create the tables of an application with a row per agent: of its own, or on the agents' table."""
    words = Words(names)
    places: dict[str, sql.Composable] = {
        "agent_role": sql.Literal(words.agent_role),
        "initiated_status": sql.Literal(words.initiated),
        "offline_status": sql.Literal(words.offline),
        **{var: table(names, var) for var in TABLES},
        **{
            var: sql.Identifier(column)
            for var, column in names.items()
            if var.endswith("_column") and column is not None
        },
    }
    sections = sections_of(Path(__file__).with_name("row_per_agent.sql").read_text("utf-8"))
    wanted = ["agents", *(var for var in OPTIONAL if names[var] is not None), "calls"]
    if names["agents_table"] != names["sessions_table"]:
        wanted.append("rows")
    cursor.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(names["app_schema"])))
    for section in (*wanted, "status", "mark"):
        for statement in sections[section]:
            cursor.execute(sql.SQL(statement).format(**places))


def refuse_what_is_not_for_tests(database: Database, confirmed: str | None) -> None:
    """Refuse a database with real data, because the simulator writes invented sessions.

    Args:
        confirmed: the name of the database, given to confirm that it is for tests.

    Raises:
        Refused: neither the demo nor the simulator made it, and it is not confirmed.
    """
    with database.transaction() as connection:
        marked = fetch(connection, "select to_regnamespace($1) is not null as is_marked", [MARK])[0]
    if marked["is_marked"] or confirmed == database.name:
        return
    raise Refused(
        f"database {database.name} was made neither by the demo nor by the simulator, which writes agents, "
        "sessions and calls that never happened",
        f"if it is a copy for tests, say so with --test-database {database.name}",
    )


def read_columns(database: Database, names: Mapping[str, Any]) -> dict[str, dict[str, Column]]:
    """The columns of the application's three tables, by the table's var.

    Raises:
        ConfigurationError: a table is missing.
    """
    found: dict[str, dict[str, Column]] = {}
    with database.transaction() as connection:
        for var in TABLES:
            rows = fetch(connection, _COLUMNS, [name(names, "app_schema"), name(names, var)])
            if not rows:
                raise ConfigurationError(
                    f"there is no table {name(names, 'app_schema')}.{name(names, var)}",
                    "correct the var, or make the tables with --create",
                )
            found[var] = {row["name"]: Column(row["type"], row["is_required"]) for row in rows}
    return found


_COLUMNS = """
    select
        a.attname as name,
        format_type(base.type_id, null) as type,
        (a.attnotnull or t.typnotnull)
        and not a.atthasdef and t.typdefault is null and a.attidentity = '' as is_required
    from pg_catalog.pg_attribute as a
    join pg_catalog.pg_class as c on c.oid = a.attrelid
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    join pg_catalog.pg_type as t on t.oid = a.atttypid
    cross join lateral (
        with recursive resolved as (
            select t.oid, t.typtype, t.typbasetype
            union all
            select b.oid, b.typtype, b.typbasetype
            from resolved as r
            join pg_catalog.pg_type as b on b.oid = r.typbasetype
            where r.typtype = 'd'
        )
        select oid as type_id from resolved where typtype <> 'd'
    ) as base
    where n.nspname = $1
        and c.relname = $2
        and a.attnum > 0
        and not a.attisdropped
    order by a.attnum
"""
