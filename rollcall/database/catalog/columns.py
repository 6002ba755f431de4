"""Read the columns of the application's tables from the catalog, before dbt starts.

dbt gets no connection: the macros receive their facts about the database in a var. The statement is the model
`application_columns`, rendered without dbt. The columns of a `{sql}` relation are those of its result, of
which no row is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import jinja2
import psycopg

from rollcall.database.connections import Database, Row, Snapshot
from rollcall.database.session_settings import set_for_transaction
from rollcall.errors import ConfigurationProblems
from rollcall.settings.configuration import Settings
from rollcall.settings.mapping import ALIASES, relation_name
from rollcall.settings.problems import line

__all__ = ["CONFIGURATION", "read_application_columns", "rendered"]

MACROS = ("literal", "literals", "base_type", "columns_of_tables", "runs_other_functions")
CONFIGURATION = Path("analyses", "configuration")


def read_application_columns(database: Database, settings: Settings) -> list[Row]:
    """Read one row per column of the configured tables, views and relations.

    Returns:
        rows of ``table_name``, ``column_name``, ``column_type`` (user types with their schema),
        ``enum_labels`` (a JSON array as text; None for other types), ``is_domain``, ``is_of_view`` and
        ``has_foreign_equality``. For a domain, type and labels are those of its base type. A missing table
        has no rows. A row without a column is a further table that the SQL of a var reads.

    Raises:
        ConfigurationProblems: PostgreSQL cannot read the SQL of a var.
    """
    with database.snapshot() as snapshot:
        rows = snapshot.rows(rendered(settings, Path("models", "staging", "application_columns.sql")))
        problems: list[str] = []
        rows += _columns_of_relations(snapshot, settings, problems)
        beside = list(_tables_read_beside(snapshot, settings, rows, problems))
    if problems:
        raise ConfigurationProblems(problems)
    return [*rows, *beside]


def _columns_of_relations(snapshot: Snapshot, settings: Settings, problems: list[str]) -> Iterator[Row]:
    for part in ALIASES:
        relation = settings.variables[f"{part}_table"]
        if not isinstance(relation, dict):
            continue
        query = rendered(settings, CONFIGURATION / "empty_result.sql", relation=relation["sql"])
        result = _tried(snapshot, query, f"{part}_table", problems)
        if result is None:
            continue
        fields = range(result.nfields)
        names = [(result.fname(index) or b"").decode() for index in fields]
        oids = [result.ftype(index) for index in fields]
        modifiers = [result.fmod(index) for index in fields]
        described = rendered(settings, CONFIGURATION / "result_columns.sql")
        name = relation_name(part, settings.variables)
        yield from snapshot.rows(described, [names, oids, modifiers, name])


def _tables_read_beside(
    snapshot: Snapshot, settings: Settings, rows: Sequence[Row], problems: list[str]
) -> Iterator[Row]:
    """The tables that views, relations and expressions read, found in the plans of their queries.

    Args:
        rows: the columns of the tables, views and relations.
    """
    variables = settings.variables
    are_views = {row["table_name"]: row["is_of_view"] for row in rows}
    found: dict[str, bool] = {}
    for name, part, expression in _expressions(variables):
        table = relation_name(part, variables)
        is_view = expression is None and isinstance(variables[f"{part}_table"], str)
        if table not in are_views or (is_view and not are_views[table]):
            continue
        texts = expression or {"sql": "true", "type": "boolean"}
        query = rendered(
            settings,
            CONFIGURATION / "read_by_expression.sql",
            relation=_relation(variables, part),
            alias=ALIASES[part],
            expression=texts["sql"],
            type=texts["type"],
        )
        if (result := _tried(snapshot, query, name, problems)) is not None:
            tables = _tables_of(json.loads(result.get_value(0, 0) or b"[]"))
            found |= {table: is_view and found.get(table, True) for table in tables}
    roots = rendered(settings, CONFIGURATION / "partition_roots.sql")
    for table, is_of_view in sorted(found.items()):
        for row in snapshot.rows(roots, [[table]]):
            is_named = row["schema_name"] == variables["app_schema"] and row["relation_name"] in are_views
            if not is_named:
                yield {"table_name": row["table_name"], "column_name": None, "is_of_view": is_of_view}


def _expressions(variables: Mapping[str, Any]) -> Iterator[tuple[str, str, Mapping[str, str] | None]]:
    """Each var with an expression, its part, and the expression; none for a table or relation as a whole."""
    for part in ("agents", "calls"):
        if variables[f"{part}_table"] is not None:
            yield f"{part}_table", part, None
    for name, value in variables.items():
        part = name.split("_", 1)[0]
        if name.endswith("_column") and isinstance(value, dict) and "sql" in value:
            yield name, part, value


def _relation(variables: Mapping[str, Any], part: str) -> str:
    value = variables[f"{part}_table"]
    if isinstance(value, dict):
        return f"({value['sql']})"
    return _quoted(variables["app_schema"], value)


def _quoted(schema: str, name: str) -> str:
    return ".".join('"{}"'.format(part.replace('"', '""')) for part in (schema, name))


def _tables_of(plan: Any) -> Iterator[str]:
    """The tables in the nodes of a plan."""
    if isinstance(plan, list):
        for item in plan:
            yield from _tables_of(item)
    elif isinstance(plan, dict):
        if "Relation Name" in plan:
            yield _quoted(plan["Schema"], plan["Relation Name"])
        for item in plan.values():
            yield from _tables_of(item)


def _tried(snapshot: Snapshot, query: str, name: str, problems: list[str]) -> Any:
    """The result of a query; none, with a problem of the var, where PostgreSQL refuses it."""
    try:
        with snapshot.connection.transaction():
            # instead of a plan without the hidden rows, PostgreSQL gives an error
            set_for_transaction(snapshot.connection, {"row_security": "off"})
            return snapshot.connection.execute(cast(Any, query)).pgresult
    except psycopg.Error as error:
        reason = (str(error).splitlines() or ["it cannot be read"])[0]
        problems.append(
            line(
                f"the SQL of the var {name} cannot be read: {reason}",
                "Correct it; write each table with its schema, and each column with its alias",
            )
        )
        return None


def rendered(settings: Settings, path: Path, **names: str) -> str:
    """The SQL of a file whose macros need only `var` from dbt."""
    root = settings.project_directory
    files = [root / "macros" / "staging" / f"{name}.sql" for name in MACROS]
    source = "\n".join(file.read_text(encoding="utf-8") for file in (*files, root / path))
    variables = {**settings.variables, **names}
    template = jinja2.Environment().from_string(source, globals={"var": variables.get})
    return template.render().strip()
