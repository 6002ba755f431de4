"""Check the configured tables and columns against the catalog, before dbt starts.

The check reports all problems of the configuration at once: a missing table or column, an unsuitable type,
a reference and a key of types that PostgreSQL cannot compare. A problem that can be solved in the database
(a declared column of another type, a key that is not unique) is a rule of the assessment instead.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rollcall.database.catalog.casts import cast_of_reference
from rollcall.database.catalog.writes import WITHOUT_EQUALITY, problems_of_writes
from rollcall.database.connections import Database, Row
from rollcall.errors import ConfigurationProblems
from rollcall.settings.configuration import Settings
from rollcall.settings.mapping import (
    ALIASES,
    DECLARED,
    NULLABLE,
    PLAIN,
    WRITTEN_BESIDES,
    column_of,
    relation_name,
)

__all__ = ["check_application", "problems_of_columns", "problems_of_tables"]

TABLES = ("agents", "sessions", "calls")
TIMES = (
    "sessions_login_at_column",
    "sessions_logout_at_column",
    "sessions_last_activity_column",
    "calls_started_at_column",
    "calls_connected_at_column",
    "calls_ended_at_column",
)
FLAGS = ("agents_is_active_column", "agents_is_ai_agent_column")
STATUSES = {
    "sessions_status_column": (
        "available_status",
        "on_call_status",
        "break_status",
        "other_working_statuses",
        "not_working_statuses",
    ),
    "calls_status_column": ("live_call_statuses", "over_call_statuses"),
}
# the reference, and the key that it refers to
REFERENCES = {
    "sessions_agent_id_column": "agents_id_column",
    "sessions_call_id_column": "calls_id_column",
    "calls_agent_id_column": "agents_id_column",
}
# the columns that are compared with a key
KEYS = (*REFERENCES, "agents_id_column", "sessions_id_column", "calls_id_column")
# types that PostgreSQL compares with each other
INTEGERS = ("smallint", "integer", "bigint")
FAMILIES = {
    **dict.fromkeys((*INTEGERS, "numeric", "real", "double precision"), "numbers"),
    **dict.fromkeys(("text", "character varying", "character", "name", "citext"), "texts"),
    **dict.fromkeys(("timestamp without time zone", "timestamp with time zone", "date"), "times"),
    "uuid": "uuids",
    "boolean": "booleans",
}
TIME_TYPES = ("timestamp without time zone", "timestamp with time zone")


@dataclass(frozen=True)
class _Column:
    """A configured column that exists."""

    var: str
    place: str
    type: str
    labels: tuple[str, ...]
    foreign_type: str | None
    """The type with its schema if its equality operator is outside pg_catalog; else None."""

    @property
    def family(self) -> str | None:
        return FAMILIES.get(self.type)


def check_application(columns: Sequence[Row], database: Database, settings: Settings) -> None:
    """Refuse a configuration that does not match the database, with a line per problem.

    Args:
        columns: the result of `read_application_columns`.

    Raises:
        ConfigurationProblems: the problems.
    """
    problems = list(problems_of_columns(columns, settings.variables))
    present = {row["table_name"] for row in columns}
    if missing := _missing_tables(settings.variables, present):
        query = settings.project_directory / "analyses" / "configuration" / "relations.sql"
        with database.snapshot() as snapshot:
            relations = snapshot.rows(query.read_text(encoding="utf-8"))
        problems = [*problems_of_tables(missing, relations, settings.variables, database.name), *problems]
    problems += problems_of_writes(database, settings)
    if problems:
        raise ConfigurationProblems(
            problems, "`rollcall init` proposes a file with the names of this database" if missing else ""
        )


def _missing_tables(variables: Mapping[str, Any], present: set[str]) -> list[str]:
    """The parts whose table is named and not there."""
    named = {part: variables[f"{part}_table"] for part in TABLES}
    return [part for part, name in named.items() if isinstance(name, str) and name not in present]


def problems_of_tables(
    missing: Sequence[str], relations: Sequence[Row], variables: Mapping[str, Any], database: str
) -> Iterator[str]:
    """Describe each missing table, with similar names that exist."""
    schema = variables["app_schema"]
    kinds = {(row["schema_name"], row["relation_name"]): row["kind"] for row in relations}
    schemas = sorted({name for name, _ in kinds})
    for part in missing:
        name = variables[f"{part}_table"]
        kind = kinds.get((schema, name))
        if kind is not None:
            yield (
                f"{schema}.{name} is {kind}, but a table is needed; set the var {part}_table to the table"
                " that the application writes to"
            )
            continue
        elsewhere = [f"{other}.{name}" for other in schemas if (other, name) in kinds]
        here = [f"{schema}.{found}" for found in _near(name, (n for s, n in kinds if s == schema))]
        yield (
            f"table {schema}.{name} does not exist in database {database};"
            f" set the vars app_schema and {part}_table{_did_you_mean([*elsewhere, *here])}"
        )


def problems_of_columns(columns: Sequence[Row], variables: Mapping[str, Any]) -> Iterator[str]:
    """Describe the problems of the columns of existing tables."""
    found: dict[str, _Column] = {}
    for part in TABLES:
        table = relation_name(part, variables)
        types = {row["column_name"]: row for row in columns if row["table_name"] == table}
        if not types:
            continue
        is_named = isinstance(variables[f"{part}_table"], str)
        place = f"{variables['app_schema']}.{table}" if is_named else table
        for var, name in _written_columns(part, variables):
            if name in types:
                if (column := _column_as_read(var, f"{place}.{name}", types[name], variables)) is not None:
                    found[var] = column
            elif var not in DECLARED:
                yield (
                    f"column {name} does not exist in {place}; set the var {var}{_or_null(var)}"
                    f"{_did_you_mean(_near(name, types))} (the table has: {', '.join(sorted(types))})"
                )
        found |= dict(_expressions(part, place, variables))
    yield from _unfit_types(found)
    yield from _unfit_statuses(found, variables)
    yield from _foreign_equality(found)
    yield from _incomparable(found)


def _written_columns(part: str, variables: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each var that names columns of the part's table, with a name."""
    for var in _column_vars(part, variables):
        if (name := column_of(variables[var])) is not None:
            yield var, name
    if part == "sessions":
        yield from ((var, name) for var in WRITTEN_BESIDES for name in variables[var])


def _column_vars(part: str, variables: Mapping[str, Any]) -> list[str]:
    return [var for var in variables if var.startswith(f"{part}_") and var.endswith("_column")]


def _column_as_read(var: str, place: str, row: Row, variables: Mapping[str, Any]) -> _Column | None:
    """The column, where it is compared as it is stored."""
    return None if isinstance(variables[var], Mapping) else _column(var, place, row)


def _expressions(part: str, place: str, variables: Mapping[str, Any]) -> Iterator[tuple[str, _Column]]:
    for var in _column_vars(part, variables):
        value = variables[var]
        if isinstance(value, Mapping) and "sql" in value:
            yield var, _Column(var, f"{place} (the expression of {var})", value["type"], (), None)


def _column(var: str, place: str, row: Row) -> _Column:
    """A column, its type without precision and length, and citext without its schema."""
    kind = re.sub(r"\(\d+(,-?\d+)?\)", "", row["column_type"])
    labels = json.loads(row["enum_labels"]) if row["enum_labels"] else ()
    plain = "citext" if kind.endswith(".citext") else kind
    foreign_type = row["column_type"] if row["has_foreign_equality"] else None
    return _Column(var, place, plain, tuple(labels), foreign_type)


def _unfit_types(found: Mapping[str, _Column]) -> Iterator[str]:
    for var in TIMES:
        if var in found and found[var].type not in TIME_TYPES:
            yield _unfit(found[var], "a time", TIME_TYPES)
    for var in FLAGS:
        if var in found and found[var].type != "boolean":
            yield _unfit(found[var], "yes or no", ("boolean",))
    for var in ("agents_id_column", "sessions_id_column", "calls_id_column"):
        if var in found and found[var].type in WITHOUT_EQUALITY:
            yield _unfit(found[var], "a key", (*INTEGERS, "uuid", "text", "character varying"))


def _unfit(column: _Column, meaning: str, types: Sequence[str]) -> str:
    return (
        f"column {column.place} cannot be {meaning}: its type is {column.type}; set the var {column.var} to a"
        f" column of type {' or '.join(types)}{', or to {sql, type}' if column.var not in PLAIN else ''}"
    )


def _unfit_statuses(found: Mapping[str, _Column], variables: Mapping[str, Any]) -> Iterator[str]:
    """Accept a text, an enum, or an integer if all configured statuses are numbers."""
    for var, lists in STATUSES.items():
        column = found.get(var)
        if column is None or isinstance(variables[var], Mapping):
            continue
        configured = [status for name in lists for status in _as_list(variables[name])]
        numbered = all(re.fullmatch(r"-?\d+", status) for status in configured)
        if column.labels:
            wanted = variables["live_call_statuses"] if var == "calls_status_column" else configured
            if not set(wanted) & set(column.labels):
                yield (
                    f"the enum of {column.place} has none of the statuses {', '.join(wanted)}; set the"
                    f" var {var}, or correct {' and '.join(lists)} (the enum has: {', '.join(column.labels)})"
                )
        elif column.family != "texts" and not (column.type in INTEGERS and numbered):
            yield _unfit(column, "a status", ("text", "character varying", "an enum"))


def _as_list(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else list(value)


def _foreign_equality(found: Mapping[str, _Column]) -> Iterator[str]:
    """Find keys that would be compared as text, which could miss the calls of an agent."""
    for var in KEYS:
        if var in found and found[var].foreign_type:
            yield (
                f"key column {found[var].place} cannot be compared: the equality of its type"
                f" {found[var].foreign_type} is defined outside pg_catalog, and Rollcall uses no such"
                f" operator; change the column's type to text, or set the var {var}"
            )


def _incomparable(found: Mapping[str, _Column]) -> Iterator[str]:
    for reference, key in REFERENCES.items():
        one, other = found.get(reference), found.get(key)
        if one is None or other is None or one.type == other.type:
            continue
        if one.family and other.family and one.family != other.family:
            yield (
                f"column {one.place} ({one.type}) cannot be compared with {other.place} ({other.type});"
                f" set the vars {reference} and {key} to a reference and the key that it refers to"
                f"{_offered_cast(reference, one, other)}"
            )


def _offered_cast(var: str, reference: _Column, key: _Column) -> str:
    """The cast of a text that refers to a uuid or a number, for the configuration."""
    if reference.family != "texts" or key.family not in ("uuids", "numbers"):
        return ""
    column = reference.place.rsplit(".", 1)[1]
    cast = cast_of_reference(ALIASES[var.split("_", 1)[0]], column, key.type)
    written = f"column: {column}, " if var == "sessions_call_id_column" else ""
    return f", or cast it: {var}: {{{written}sql: {json.dumps(cast['sql'])}, type: {cast['type']}}}"


def _or_null(var: str) -> str:
    """The other forms that a var takes where the application has no such column."""
    if var in WRITTEN_BESIDES:
        return ""
    forms = " to a column, to {sql, type}"
    return f"{forms} or to null" if var in NULLABLE else forms


def _near(name: str, known: Iterable[str]) -> list[str]:
    """The most similar names, ignoring case and underscores."""
    plain = {re.sub(r"[\W_]", "", other).lower(): other for other in known}
    wanted = re.sub(r"[\W_]", "", name).lower()
    close = difflib.get_close_matches(wanted, plain, n=2, cutoff=0.5)
    parts = [key for key in plain if wanted and (wanted in key or key in wanted)]
    return [plain[key] for key in dict.fromkeys([*close, *parts])][:2]


def _did_you_mean(names: Sequence[str]) -> str:
    return f"; did you mean {' or '.join(dict.fromkeys(names))}?" if names else ""
