"""The columns of the application's tables, read from the catalog before dbt is started.

dbt itself gets no connection: what its macros need to know of the database is handed to it as a
var. The statement is the model `application_columns`, rendered without dbt.
"""

from __future__ import annotations

import jinja2

from rollcall.database.connections import Database, Row
from rollcall.errors import ConfigurationError
from rollcall.settings.configuration import Settings

__all__ = ["read_application_columns"]

KEYS = {
    "agents_id_column": "agents_table",
    "sessions_id_column": "sessions_table",
    "sessions_agent_id_column": "sessions_table",
    "sessions_call_id_column": "sessions_table",
    "calls_id_column": "calls_table",
    "calls_agent_id_column": "calls_table",
}
MACROS = ("literal", "literals", "base_type", "columns_of_tables")


def read_application_columns(database: Database, settings: Settings) -> list[Row]:
    """Read one row per column of the three configured tables.

    Returns:
        rows of ``table_name``, ``column_name``, ``column_type`` (user types with their schema),
        ``enum_labels`` (a JSON array as text; none for other types), ``is_domain`` and
        ``has_foreign_equality``; of a domain the type and the labels are those of its base type. A table
        that does not exist has none.

    Raises:
        ConfigurationError: a key is of a type that only its own operator compares as the application does.
    """
    with database.snapshot() as snapshot:
        columns = snapshot.rows(_statement(settings))
    _refuse_keys_compared_elsewhere(columns, settings)
    return columns


def _refuse_keys_compared_elsewhere(columns: list[Row], settings: Settings) -> None:
    """Refuse a key that would be compared as text: calls of a living agent might be missed."""
    types = {
        (row["table_name"], row["column_name"]): row["column_type"]
        for row in columns
        if row["has_foreign_equality"]
    }
    names = settings.variables
    for var, table in KEYS.items():
        place = (names[table], names[var])
        if place in types:
            raise ConfigurationError(
                f"key column {'.'.join(place)} cannot be compared: the equality of its type {types[place]} "
                "is defined outside pg_catalog",
                f"Rollcall uses no such operator; change the column's type to text, or set the var {var}",
            )


def _statement(settings: Settings) -> str:
    """The model `application_columns` as SQL; of dbt's context its macros use `var` alone."""
    root = settings.project_directory
    files = [root / "macros" / "staging" / f"{name}.sql" for name in MACROS]
    files.append(root / "models" / "staging" / "application_columns.sql")
    source = "\n".join(path.read_text(encoding="utf-8") for path in files)
    variables = settings.variables
    template = jinja2.Environment().from_string(source, globals={"var": variables.__getitem__})
    return template.render().strip()
