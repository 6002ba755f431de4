"""The forms of the vars that map the application's tables and columns.

A column var takes a name; ``null``, where dbt_project.yml says what that means; ``{sql, type}``, an
expression over the alias of its table, with ``column`` for the plain column that is written; and the var of
a status ``{column, values}``, a name for each raw value.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from rollcall.settings.problems import line

__all__ = [
    "ALIASES",
    "DECLARED",
    "EXPRESSIONS",
    "NULLABLE",
    "WRITTEN_BESIDES",
    "column_of",
    "is_mapped",
    "normalised",
    "problem_of_mapping",
    "problem_of_write",
    "problems_between",
    "relation_name",
    "takes_mapping",
]

ALIASES = {"agents": "agent", "sessions": "session", "calls": "call"}
NULLABLE = frozenset(
    {
        "agents_role_column",
        "agents_is_active_column",
        "agents_is_ai_agent_column",
        "sessions_call_id_column",
        "sessions_login_at_column",
        "sessions_logout_at_column",
        "sessions_last_activity_column",
        "calls_direction_column",
        "calls_started_at_column",
        "calls_connected_at_column",
        "calls_ended_at_column",
        "calls_table",
    }
)
STATUSES = ("sessions_status_column", "calls_status_column")
DECLARED = (  # added by Rollcall
    "sessions_last_heartbeat_column",
    "sessions_device_connected_column",
    "sessions_max_concurrent_calls_column",
)
PLAIN = frozenset({"sessions_id_column", *DECLARED})  # the key pins a change to its row
RELATIONS = ("agents_table", "calls_table")
WRITTEN_BESIDES = ("sessions_on_close", "sessions_on_available", "sessions_on_break")
SIGNS_OF_LIFE = ("sessions_login_at_column", "sessions_last_activity_column")
CALL_TIMES = ("calls_started_at_column", "calls_connected_at_column", "calls_ended_at_column")
TYPES = {
    "bool": "boolean",
    "int2": "smallint",
    "int": "integer",
    "int4": "integer",
    "int8": "bigint",
    "timestamp": "timestamp without time zone",
    "timestamptz": "timestamp with time zone",
    "varchar": "character varying",
    **{
        name: name
        for name in (
            "bigint",
            "boolean",
            "character varying",
            "citext",
            "integer",
            "numeric",
            "smallint",
            "text",
            "timestamp with time zone",
            "timestamp without time zone",
            "uuid",
        )
    },
}
# a second statement, a comment that hides what follows, a parameter or a quotation with $
BROKEN_SQL = re.compile(r";|--|/\*|\$\d|\$\w*\$")
LONGEST_SQL = 4_000
EXPRESSIONS = "write a name, or {sql: EXPRESSION, type: TYPE}"


def takes_mapping(name: str) -> bool:
    """Whether a var maps a table or a column, and so takes other forms than a text."""
    return name.endswith("_column") or name in RELATIONS


def column_of(value: Any) -> str | None:
    """The plain column of a column var's value, which is written; None where there is none."""
    if isinstance(value, Mapping):
        column = value.get("column")
        return column if isinstance(column, str) else None
    return value if isinstance(value, str) else None


def relation_name(part: str, variables: Mapping[str, Any]) -> str:
    """The name of a part's table; for `{sql}` a name for the columns of its result, as the macros use it."""
    value = variables[f"{part}_table"]
    return value if isinstance(value, str) else f"the relation of {part}_table"


def is_mapped(value: Any) -> bool:
    """Whether the application has a column, an expression or a relation for it."""
    return value is not None


def normalised(name: str, value: Any) -> Any:
    """The value with the type's full name, and with raw values as text."""
    if not isinstance(value, Mapping) or not takes_mapping(name):
        return value
    changed = dict(value)
    if isinstance(changed.get("sql"), str):
        changed["sql"] = changed["sql"].replace("\n", " ").strip()
    if isinstance(changed.get("type"), str):
        changed["type"] = TYPES.get(changed["type"].lower(), changed["type"])
    if isinstance(changed.get("values"), Mapping):
        changed["values"] = {_raw(raw): named for raw, named in changed["values"].items()}
    return changed


def _raw(value: object) -> str:
    """A raw value as PostgreSQL's text of it."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def problem_of_mapping(name: str, value: Any) -> str | None:
    """Why a column or table var cannot have this value; None where it can. A text is checked elsewhere."""
    if value is None:
        allowed = "" if name in PLAIN else f"; {EXPRESSIONS}" if name.endswith("_column") else ""
        return None if name in NULLABLE else f"must not be null: it is always needed{allowed}"
    if name in PLAIN:
        return "must be the name of a column: Rollcall writes it, or finds the row by it"
    if name in RELATIONS:
        return _problem_of_fields(value, {"sql"}, set()) or _problem_of_sql(value["sql"])
    if name in STATUSES and "values" in value:
        return _problem_of_fields(value, {"column", "values"}, set()) or _problem_of_values(value["values"])
    return (
        _problem_of_fields(value, {"sql", "type"}, {"column"})
        or _problem_of_sql(value["sql"])
        or _problem_of_type(name, value["type"])
    )


def _problem_of_fields(value: Mapping[str, Any], needed: set[str], optional: set[str]) -> str | None:
    unknown = [str(field) for field in value if field not in needed | optional]
    missing = sorted(needed - value.keys())
    if unknown:
        return f"has the field {unknown[0][:60]!r}; its fields are {', '.join(sorted(needed | optional))}"
    if missing:
        return f"lacks the field {missing[0]!r}; its fields are {', '.join(sorted(needed | optional))}"
    column = value.get("column", "a")
    if not isinstance(column, str) or not column.strip():
        return "has a field 'column' that is no name of a column"
    return None


def _problem_of_sql(text: Any) -> str | None:
    if not isinstance(text, str) or not text.strip():
        return "has a field 'sql' that is no text"
    if len(text) > LONGEST_SQL:
        return f"has SQL of more than {LONGEST_SQL} characters"
    if broken := BROKEN_SQL.search(text):
        return f"has {broken[0]!r} in its SQL: write one expression without comments, parameters and `;`"
    if _depth(text) != 0:
        return "has parentheses in its SQL that do not match"
    return None


def _depth(text: str) -> int:
    """How many parentheses stay open; -1 where one is closed that was not opened."""
    depth = 0
    for mark in re.findall(r"'(?:[^']|'')*'|[()]", text):
        depth += {"(": 1, ")": -1}.get(mark, 0)
        if depth < 0:
            return -1
    return depth


def _problem_of_type(name: str, kind: Any) -> str | None:
    if not isinstance(kind, str) or kind.lower() not in TYPES:
        return f"has a type that is none of {', '.join(sorted(set(TYPES.values())))}"
    full = TYPES[kind.lower()]
    if name.endswith("_at_column") or name in SIGNS_OF_LIFE:
        return (
            None if full.startswith("timestamp") else "is a time, and needs the type timestamptz or timestamp"
        )
    if name in ("agents_is_active_column", "agents_is_ai_agent_column"):
        return None if full == "boolean" else "is a truth value, and needs the type boolean"
    if name in (*STATUSES, "agents_role_column", "calls_direction_column"):
        return None if full in ("text", "character varying") else "is a text, and needs the type text"
    return None


def _problem_of_values(values: Any) -> str | None:
    if not isinstance(values, Mapping) or not values:
        return "has a field 'values' that is no mapping of raw values to names"
    for raw, named in values.items():
        if not isinstance(raw, str | int | bool) or not isinstance(named, str) or not named.strip():
            return "has a field 'values' that is no mapping of raw values to names"
    return None


def problem_of_write(column: str, value: Any) -> str | None:
    """Why a repair cannot write this to a column; None where it can."""
    if isinstance(value, Mapping):
        if dict(value) in ({"instant": "now"}, {"epoch": "now"}):
            return None
        return f"writes a mapping to {column} that is neither {{instant: now}} nor {{epoch: now}}"
    if value is None or isinstance(value, str | int | float | bool):
        return None
    return f"writes something else than a text, a number, a truth value or null to {column}"


def problems_between(variables: Mapping[str, Any]) -> Iterator[str]:
    """Find mappings that do not fit together: what is needed, what is written, and what the lists name."""
    yield from _problems_of_keys(variables)
    yield from _problems_of_evidence(variables)
    yield from _problems_of_values(variables, "calls_status_column", ("live_call_statuses",))
    if not variables["read_only"]:
        written = ("available_statuses", "break_statuses", "closed_status")
        yield from _problems_of_values(variables, "sessions_status_column", written)
        yield from _problems_of_writes(variables)


def _problems_of_keys(variables: Mapping[str, Any]) -> Iterator[str]:
    for part in variables["unindexed_keys"]:
        if part not in ALIASES:
            yield line(f"var unindexed_keys has {part}, which is none of {', '.join(ALIASES)}", "remove it")
        elif not isinstance(variables[f"{part}_table"], str):
            yield line(f"var unindexed_keys has {part}, whose relation is no table", "remove it")
        elif not isinstance(variables[f"{part}_id_column"], str):
            yield line(f"var unindexed_keys has {part}, whose key is no plain column", "remove it")


def _problems_of_evidence(variables: Mapping[str, Any]) -> Iterator[str]:
    if not any(is_mapped(variables[name]) for name in SIGNS_OF_LIFE):
        yield line(
            "no sign of life is mapped: sessions_login_at_column and sessions_last_activity_column are null",
            "set one of them to a column, or to {sql, type}, that changes when the agent does something",
        )
    if variables["calls_table"] is not None and not any(is_mapped(variables[name]) for name in CALL_TIMES):
        yield line(
            "no time of a call is mapped, so no call could be told from one that is over",
            f"set one of {', '.join(CALL_TIMES)}, or set calls_table to null",
        )


def _problems_of_values(
    variables: Mapping[str, Any], column_var: str, lists: tuple[str, ...]
) -> Iterator[str]:
    """Find statuses of these vars that the map of raw values does not name."""
    value = variables[column_var]
    if not isinstance(value, Mapping) or "values" not in value:
        return
    named = set(value["values"].values())
    for name in lists:
        if unknown := [status for status in _statuses(variables, name) if status not in named]:
            yield line(
                f"{', '.join(unknown)} of {name} is no name in the values of {column_var}",
                f"add it there, or set {name} to names of the values",
            )


def _statuses(variables: Mapping[str, Any], name: str) -> list[str]:
    value = variables[name]
    if isinstance(value, str):
        return [value]
    return list(value) or [variables[name.removesuffix("es")]]


def _problems_of_writes(variables: Mapping[str, Any]) -> Iterator[str]:
    written = [
        column_of(variables[name])
        for name in ("sessions_status_column", "sessions_logout_at_column", "sessions_call_id_column")
    ]
    if not is_closed(variables):
        yield line(
            "nothing that is written would close a session: neither status nor logout is a plain column",
            "name the column, declare sessions_on_close, or set read_only to true",
        )
    for name in WRITTEN_BESIDES:
        for column in variables[name]:
            if column in written:
                yield line(
                    f"var {name} writes {column}, which Rollcall writes itself",
                    "remove it, or map the column by {sql, type} so that it is only read",
                )
            elif name != "sessions_on_close" and _is_sign_of_life(variables, column):
                yield line(
                    f"var {name} writes {column}, which is a sign of life",
                    "remove it: a repair must not look like the agent's own activity",
                )


def is_closed(variables: Mapping[str, Any]) -> bool:
    """Whether something that is written closes a session."""
    own = ("sessions_status_column", "sessions_logout_at_column")
    return any(column_of(variables[name]) for name in own) or bool(variables["sessions_on_close"])


def _is_sign_of_life(variables: Mapping[str, Any], column: str) -> bool:
    for name in (*SIGNS_OF_LIFE, "sessions_last_heartbeat_column"):
        value = variables[name]
        if isinstance(value, Mapping) and re.search(rf"\b{re.escape(column)}\b", value["sql"]):
            return True
        if value == column:
            return True
    return False
