"""The application's tables with the names and types of one installation."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import psycopg
from psycopg import sql

from rollcall.errors import ConfigurationError

Names = Mapping[str, object]
"""The `vars` of `dbt_project.yml`."""

HASH_PARTITIONS = 4


@dataclass(frozen=True)
class Variant:
    """The differences of the application's database from the default, except for names."""

    timestamps: Literal["timestamp(3)", "timestamptz"] = "timestamp(3)"
    status: Literal["text", "enum"] = "text"
    keys: Literal["uuid", "bigint", "text"] = "uuid"
    """Type of the keys of sessions and calls."""
    agent_keys: Literal["integer", "bigint", "uuid", "text"] = "integer"
    partitioned: bool = False
    """The sessions table is partitioned by hash of its key."""
    extra_session_columns: tuple[str, ...] = ()
    """Nullable timestamp columns, for instance `updated_at`; they stay null."""
    migrated: bool = False
    """The three columns that Rollcall's migration adds exist."""
    heartbeats: bool = True
    """Present agents send heartbeats; without effect unless `migrated`."""


def name(names: Names, var: str) -> str:
    """The configured name behind one var."""
    value = names[var]
    if not isinstance(value, str) or not value:
        raise ConfigurationError(f"the var {var} must be a name, but it is {value!r}")
    return value


def values(names: Names, var: str) -> list[str]:
    """The configured list behind one var."""
    value = names[var]
    if not isinstance(value, list | tuple):
        raise ConfigurationError(f"the var {var} must be a list, but it is {value!r}")
    return [str(item) for item in value]


def table(names: Names, var: str) -> sql.Identifier:
    """One of the application's tables, with its schema."""
    return sql.Identifier(name(names, "app_schema"), name(names, var))


class Schema:
    """Execute the sections of `schema.sql` for one set of names and one variant."""

    def __init__(self, names: Names, variant: Variant, statuses: StatusValues) -> None:
        self._names = names
        self._variant = variant
        self._placeholders = _placeholders(names, variant, statuses)
        self._sections = sections_of((Path(__file__).parent / "schema.sql").read_text("utf-8"))

    def create_tables(self, cursor: psycopg.Cursor) -> None:
        """Create the empty tables without keys, and the tables of the ground truth."""
        app_schema = sql.Identifier(name(self._names, "app_schema"))
        cursor.execute(sql.SQL("create schema if not exists {}").format(app_schema))
        if self._variant.status == "enum":
            self._execute(cursor, "types")
        self._execute(cursor, "tables")
        self._add_partitions(cursor)
        self._add_extra_columns(cursor)
        if self._variant.migrated:
            self._execute(cursor, "migrated")
        self._execute(cursor, "truth")

    def add_constraints(self, cursor: psycopg.Cursor, *, all_agents_known: bool) -> None:
        """After loading: add keys and indexes, collect statistics, and set the sequences."""
        self._execute(cursor, "keys and indexes")
        if all_agents_known:
            self._execute(cursor, "foreign key of the sessions")
        for prefix in ("agents", "sessions", "calls"):
            relation = table(self._names, f"{prefix}_table")
            cursor.execute(sql.SQL("analyze {}").format(relation))
            self._advance_sequence(cursor, relation, name(self._names, f"{prefix}_id_column"))

    def _advance_sequence(self, cursor: psycopg.Cursor, relation: sql.Identifier, column: str) -> None:
        row = cursor.execute(
            "select pg_get_serial_sequence(%s, %s)", (relation.as_string(cursor), column)
        ).fetchone()
        if row is None or row[0] is None:
            return
        cursor.execute(
            sql.SQL("select setval(%s, max({})) from {}").format(sql.Identifier(column), relation),
            row,
        )

    def _add_partitions(self, cursor: psycopg.Cursor) -> None:
        if not self._variant.partitioned:
            return
        for part in range(HASH_PARTITIONS):
            partition = sql.Identifier(
                name(self._names, "app_schema"), f"{name(self._names, 'sessions_table')}_{part}"
            )
            cursor.execute(
                sql.SQL("create table {} partition of {} for values with (modulus {}, remainder {})").format(
                    partition,
                    table(self._names, "sessions_table"),
                    sql.Literal(HASH_PARTITIONS),
                    sql.Literal(part),
                )
            )

    def _add_extra_columns(self, cursor: psycopg.Cursor) -> None:
        for column in self._variant.extra_session_columns:
            cursor.execute(
                sql.SQL("alter table {} add column {} {}").format(
                    table(self._names, "sessions_table"),
                    sql.Identifier(column),
                    self._placeholders["timestamp"],
                )
            )

    def _execute(self, cursor: psycopg.Cursor, section: str) -> None:
        for statement in self._sections[section]:
            cursor.execute(sql.SQL(statement).format(**self._placeholders))


@dataclass(frozen=True)
class StatusValues:
    """The values that the two status columns must accept, and their defaults."""

    sessions: tuple[str, ...]
    calls: tuple[str, ...]
    default_session: str
    default_call: str


def sections_of(text: str) -> dict[str, list[str]]:
    """The statements of each `-- section: name (remark)`, in order."""
    sections: dict[str, list[str]] = {}
    for block in text.split("-- section: ")[1:]:
        heading, _, body = block.partition("\n")
        title = heading.partition(" (")[0]
        code = "\n".join(line.partition("--")[0].rstrip() for line in body.splitlines())
        statements = [part.strip() for part in code.split(";") if part.strip()]
        sections[title] = statements
    return sections


def _placeholders(names: Names, variant: Variant, statuses: StatusValues) -> dict[str, sql.Composable]:
    columns = {var: sql.Identifier(name(names, var)) for var in names if str(var).endswith("_column")}
    tables = {var: table(names, var) for var in ("agents_table", "sessions_table", "calls_table")}
    return columns | tables | _types(names, variant, statuses)


def _types(names: Names, variant: Variant, statuses: StatusValues) -> dict[str, sql.Composable]:
    app_schema = name(names, "app_schema")
    with_enums = variant.status == "enum"
    utc_now = sql.SQL("(now() at time zone 'utc')")
    return {
        "timestamp": sql.SQL(variant.timestamps),
        "now": sql.SQL("now()") if variant.timestamps == "timestamptz" else utc_now,
        "key": sql.SQL(variant.keys),
        "key_definition": _KEY_DEFINITIONS[variant.keys],
        "agent_key": sql.SQL(variant.agent_keys),
        "agent_key_definition": _KEY_DEFINITIONS[variant.agent_keys],
        "session_status_type": (
            sql.Identifier(app_schema, "session_status") if with_enums else sql.SQL("text")
        ),
        "call_status_type": (sql.Identifier(app_schema, "call_status") if with_enums else sql.SQL("text")),
        "session_statuses": _literals(statuses.sessions),
        "call_statuses": _literals(statuses.calls),
        "offline_status": sql.Literal(statuses.default_session),
        "initiated_status": sql.Literal(statuses.default_call),
        "sessions_partitioning": (
            sql.SQL("partition by hash ({})").format(sql.Identifier(name(names, "sessions_id_column")))
            if variant.partitioned
            else sql.SQL("")
        ),
    }


def _literals(items: Iterable[str]) -> sql.Composed:
    return sql.SQL(", ").join(sql.Literal(item) for item in items)


_KEY_DEFINITIONS: dict[str, sql.SQL] = {
    "integer": sql.SQL("serial"),
    "bigint": sql.SQL("bigserial"),
    "uuid": sql.SQL("uuid default gen_random_uuid()"),
    "text": sql.SQL("text"),
}
