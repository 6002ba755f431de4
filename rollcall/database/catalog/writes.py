"""Check that the sessions table takes what a repair writes, before dbt starts.

A column that refuses a write would refuse it for each row, in the middle of a clean-up. PostgreSQL judges
each value by the type and by the CHECK constraints of the column that run no function of the table's owner;
`doctor` names the others (`check_not_judged`). An enum without a written status is a rule of the assessment
(`status_not_in_enum`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import psycopg

from rollcall.database.catalog.columns import CONFIGURATION, rendered
from rollcall.database.connections import Database, Row, Snapshot
from rollcall.settings.configuration import Settings
from rollcall.settings.mapping import WRITTEN_BESIDES, column_of

__all__ = ["WITHOUT_EQUALITY", "problems_of_writes"]

STATUS = "sessions_status_column"
LOGOUT = "sessions_logout_at_column"
REFERENCE = "sessions_call_id_column"
READ_ONLY = "or set read_only to true"
OTHER_VALUE = "give another value in the var"
TEXTS = ("text", "character varying", "bpchar")
WITHOUT_EQUALITY = ("json", "xml", "point", "polygon")
"""Types of which PostgreSQL cannot say whether two values are the same."""
NUMBERS = ("smallint", "integer", "bigint", "numeric", "real", "double precision")


@dataclass(frozen=True)
class _Write:
    """A value that a repair writes.

    Attributes:
        value: as text, as it is stored; None for null.
        var: the var that has the value.
        is_status: whether it is one of the statuses.
    """

    column: str
    value: str | None
    var: str
    is_status: bool = False


def problems_of_writes(database: Database, settings: Settings) -> Iterator[str]:
    """Describe each column that cannot take what Rollcall writes; none where nothing is written."""
    variables = settings.variables
    if variables["read_only"]:
        return
    written = {var: name for var in (STATUS, LOGOUT, REFERENCE) if (name := column_of(variables[var]))}
    besides = {name for var in WRITTEN_BESIDES for name in variables[var]}
    query = rendered(settings, CONFIGURATION / "written_columns.sql")
    parameters = [variables["app_schema"], variables["sessions_table"], sorted({*written.values(), *besides})]
    table = f"{variables['app_schema']}.{variables['sessions_table']}"
    with database.snapshot() as snapshot:
        columns = {row["column_name"]: row for row in snapshot.rows(query, parameters)}
        refusals = [
            problem
            for write in _writes(written, variables)
            if (row := columns.get(write.column)) and not row["is_generated"]
            if (problem := _refusal(snapshot, settings, f"{table}.{write.column}", row, write))
        ]
    for var, name in written.items():
        if row := columns.get(name):
            yield from _problems_of_own(var, f"{table}.{name}", row, variables)
    yield from _problems_besides(table, columns, variables)
    yield from refusals


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


def _writes(written: Mapping[str, str], variables: Mapping[str, Any]) -> Iterator[_Write]:
    """Each constant that a repair may write."""
    if STATUS in written:
        for var, status in _written_statuses(variables):
            yield _Write(written[STATUS], status, var, is_status=True)
    if REFERENCE in written:
        yield _Write(written[REFERENCE], _text(variables["sessions_no_call"]), "sessions_no_call")
    for var in WRITTEN_BESIDES:
        for name, value in variables[var].items():
            if not isinstance(value, Mapping):
                yield _Write(name, _text(value), var)


def _text(value: str | float | bool | None) -> str | None:
    """A constant as PostgreSQL's text of it."""
    if value is None:
        return None
    return str(value).lower() if isinstance(value, bool) else str(value)


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


def _refusal(snapshot: Snapshot, settings: Settings, place: str, row: Row, write: _Write) -> str | None:
    """Why the column does not take the value; None where it does, or where it cannot be said."""
    remedy = f"set the var {write.var} to a value that it takes, {READ_ONLY}"
    if not write.is_status:
        remedy = f"{OTHER_VALUE} {write.var}"
    shown = "null" if write.value is None else write.value
    if write.value is None and row["is_not_null"]:
        return None  # said by the others
    if _may_be_refused(row, write):
        query = rendered(settings, CONFIGURATION / "value_as_stored.sql", type=row["judged_type"])
        try:
            with snapshot.connection.transaction():
                snapshot.rows(query, [write.value])
        except psycopg.IntegrityError as error:
            name = error.diag.constraint_name or "not null"
            return (
                f"the constraint {name} of the domain {row['judged_type']} of {place} refuses {shown},"
                f" which a repair writes; {remedy}"
            )
        except psycopg.DataError:
            if row["is_enum"] and write.is_status:
                return None
            kind = row["base_type"]
            return f"column {place} ({kind}) does not take {shown!r}, which {write.var} writes; {remedy}"
    room = row["most_characters"]
    if room is not None and write.value is not None and len(write.value) > room:
        return f"column {place} has no room for {shown}, which {write.var} writes; {remedy}"
    return _refusal_of_check(snapshot, settings, place, row, write, remedy)


def _may_be_refused(row: Row, write: _Write) -> bool:
    """Whether the type may refuse the value: a text takes every text, and null fits all but a domain."""
    is_domain = row["judged_type"] != row["base_type"]
    return is_domain or (write.value is not None and row["base_type"] not in TEXTS)


def _refusal_of_check(
    snapshot: Snapshot, settings: Settings, place: str, row: Row, write: _Write, remedy: str
) -> str | None:
    for check in row["checks"]:
        query = rendered(
            settings,
            CONFIGURATION / "check_of_value.sql",
            expression=check["expression"],
            column='"{}"'.format(write.column.replace('"', '""')),
            type=row["judged_type"],
        )
        try:
            with snapshot.connection.transaction():
                is_taken = snapshot.row(query, [write.value])["is_taken"]
        except psycopg.Error:  # a whole row, for example, which is here that of one column
            continue
        if is_taken:
            continue
        if check["texts"] and write.is_status:
            remedy = f"set the var {write.var} to one of {', '.join(check['texts'])}, {READ_ONLY}"
        else:
            remedy += f" (the constraint is {check['definition']})"
        refused = "null" if write.value is None else write.value
        refusal = f"the constraint {check['name']} of {place} refuses {refused}"
        return f"{refusal}, which a repair writes; {remedy}"
    return None


def _problems_besides(table: str, columns: Mapping[str, Row], variables: Mapping[str, Any]) -> Iterator[str]:
    for var in WRITTEN_BESIDES:
        for name, value in variables[var].items():
            row = columns.get(name)
            if row is None:
                continue
            if row["is_generated"]:
                yield f"column {table}.{name} is generated, and {var} writes it; remove it from the var {var}"
            elif row["is_not_null"] and value is None:
                yield f"column {table}.{name} does not take null, which {var} writes; {OTHER_VALUE} {var}"
            elif row["base_type"].removesuffix("[]") in WITHOUT_EQUALITY:
                kind = row["base_type"]
                better = "change its type to jsonb" if kind == "json" else "change its type"
                yield (
                    f"column {table}.{name} ({kind}) cannot be compared, so what {var} writes to it could not"
                    f" be proven; {better}, or remove the column from the var {var}"
                )
            elif isinstance(value, Mapping):
                yield from _unfit_now(f"{table}.{name}", row["base_type"], var, next(iter(value)))


def _unfit_now(place: str, kind: str, var: str, form: str) -> Iterator[str]:
    """Find `{instant: now}` in a column of no time, and `{epoch: now}` in one of no number."""
    is_time, is_number = kind.startswith("timestamp"), kind in NUMBERS
    if (form == "instant" and not is_time) or (form == "epoch" and not is_number):
        needed = "timestamp" if form == "instant" else "number"
        yield (
            f"column {place} ({kind}) does not take {{{form}: now}}, which {var} writes: it is no {needed};"
            f" {OTHER_VALUE} {var}"
        )
