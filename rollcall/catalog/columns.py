"""Read the columns of the application's tables from the catalog, before dbt starts.

dbt gets no connection: the macros receive their facts about the database in a var. The statement is the model
`application_columns`, rendered without dbt.
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
        ``enum_labels`` (a JSON array as text; None for other types), ``is_domain`` and
        ``has_foreign_equality``. For a domain, type and labels are those of its base type. A missing table
        has no rows.
    """
    with database.snapshot() as snapshot:
        return snapshot.rows(_statement(settings))


def _statement(settings: Settings) -> str:
    """The SQL of the model `application_columns`, whose macros need only `var` from dbt."""
    root = settings.project_directory
    files = [root / "macros" / "staging" / f"{name}.sql" for name in MACROS]
    files.append(root / "models" / "staging" / "application_columns.sql")
    source = "\n".join(path.read_text(encoding="utf-8") for path in files)
    variables = settings.variables
    template = jinja2.Environment().from_string(source, globals={"var": variables.__getitem__})
    return template.render().strip()
