"""Check that the sessions table takes what a repair writes, before dbt starts.

A column that refuses a write would refuse it for each row, in the middle of a clean-up. An enum without a
written label is a rule of the assessment (`status_not_in_enum`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rollcall.database.connections import Database, Row
from rollcall.settings.configuration import Settings
from rollcall.settings.mapping import WRITTEN_BESIDES, column_of

__all__ = ["problems_of_writes"]

STATUS = "sessions_status_column"
LOGOUT = "sessions_logout_at_column"
REFERENCE = "sessions_call_id_column"
READ_ONLY = "or set read_only to true"


def problems_of_writes(database: Database, settings: Settings) -> Iterator[str]:
    """Describe each column that cannot take what Rollcall writes; none where nothing is written."""
    variables = settings.variables
    if variables["read_only"]:
        return
    written = {var: name for var in (STATUS, LOGOUT, REFERENCE) if (name := column_of(variables[var]))}
    besides = {name for var in WRITTEN_BESIDES for name in variables[var]}
    query = settings.project_directory / "analyses" / "configuration" / "written_columns.sql"
    parameters = [variables["app_schema"], variables["sessions_table"], sorted({*written.values(), *besides})]
    with database.snapshot() as snapshot:
        rows = snapshot.rows(query.read_text(encoding="utf-8"), parameters)
    columns = {row["column_name"]: row for row in rows}
    table = f"{variables['app_schema']}.{variables['sessions_table']}"
    for var, name in written.items():
        if row := columns.get(name):
            yield from _problems_of_own(var, f"{table}.{name}", row, variables)
    yield from _problems_besides(table, columns, variables)


def _problems_of_own(var: str, place: str, row: Row, variables: Mapping[str, Any]) -> Iterator[str]:
    if row["is_generated"]:
        yield (
            f"column {place} is generated, and a repair writes it; set the var {var} to {{sql, type}} without"
            f" a column, {READ_ONLY}"
        )
    elif var == REFERENCE and row["is_not_null"] and variables["sessions_no_call"] is None:
        yield (
            f"column {place} does not take null, which a repair writes for no call; set the var"
            f" sessions_no_call to what the application stores there, such as '', {READ_ONLY}"
        )
    elif var == LOGOUT and row["is_not_null"]:
        yield (
            f"column {place} does not take null, so no session would be open; set the var {var} to null, or"
            " to {sql, type} that is null for an open session"
        )
    elif var == STATUS and row["allowed_texts"]:
        yield from _refused_statuses(place, row, variables)


def _refused_statuses(place: str, row: Row, variables: Mapping[str, Any]) -> Iterator[str]:
    allowed = [text.replace("''", "'") for text in row["allowed_texts"]]
    for var, status in _written_statuses(variables):
        if status not in allowed:
            yield (
                f"the constraint {row['constraint_name']} of {place} refuses {status}, which a repair writes;"
                f" set the var {var} to one of {', '.join(allowed)}, {READ_ONLY}"
            )


def _written_statuses(variables: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Each status that a repair writes, as it is stored, with its var."""
    mapping = variables[STATUS]
    raw = {}
    if isinstance(mapping, Mapping) and "values" in mapping:
        raw = {name: text for text, name in reversed(mapping["values"].items())}
    yield "closed_status", raw.get(variables["closed_status"], variables["closed_status"])
    for single, several in (("available_status", "available_statuses"), ("break_status", "break_statuses")):
        listed = variables[several]
        name = listed[0] if listed else variables[single]
        yield (several if listed else single), raw.get(name, name)


def _problems_besides(table: str, columns: Mapping[str, Row], variables: Mapping[str, Any]) -> Iterator[str]:
    for var in WRITTEN_BESIDES:
        for name, value in variables[var].items():
            row = columns.get(name)
            if row is None:
                continue
            if row["is_generated"]:
                yield f"column {table}.{name} is generated, and {var} writes it; remove it from the var {var}"
            elif row["is_not_null"] and value is None:
                yield (
                    f"column {table}.{name} does not take null, which {var} writes; give another value in the"
                    f" var {var}"
                )
