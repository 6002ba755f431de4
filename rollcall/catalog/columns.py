"""The columns of the application's tables, read from the catalog before dbt is started.

dbt itself gets no connection: what its macros need to know of the database is handed to it as a
var. The statement is the model `application_columns`, rendered without dbt.
"""

from __future__ import annotations

import jinja2

from rollcall.database.connections import Database, Row
from rollcall.settings.configuration import Settings

__all__ = ["read_application_columns"]

MACROS = ("literal", "literals", "base_type", "columns_of_tables")


def read_application_columns(database: Database, settings: Settings) -> list[Row]:
    """Read one row per column of the three configured tables.

    Returns:
        rows of ``table_name``, ``column_name``, ``column_type`` (user types with their schema),
        ``enum_labels`` (a JSON array as text; none for other types), ``is_domain`` and
        ``has_foreign_equality``; of a domain the type and the labels are those of its base type. A table
        that does not exist has none.
    """
    with database.snapshot() as snapshot:
        return snapshot.rows(_statement(settings))


def _statement(settings: Settings) -> str:
    """The model `application_columns` as SQL; of dbt's context its macros use `var` alone."""
    root = settings.project_directory
    files = [root / "macros" / "staging" / f"{name}.sql" for name in MACROS]
    files.append(root / "models" / "staging" / "application_columns.sql")
    source = "\n".join(path.read_text(encoding="utf-8") for path in files)
    variables = settings.variables
    template = jinja2.Environment().from_string(source, globals={"var": variables.__getitem__})
    return template.render().strip()
