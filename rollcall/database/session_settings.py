"""The settings of every connection, shared by psycopg and Great Expectations.

A role or a database may define its own search path, date style or time zone. Every setting that changes
the meaning of a statement or the format of a value is set here before any other statement.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from functools import cache
from typing import Any, cast

import psycopg

from rollcall.database.keepalives import SERVER_KEEPALIVES
from rollcall.settings.configuration import PROJECT_DIRECTORY

__all__ = ["CLIENT_ENCODING", "apply_settings", "judging_at", "set_for_session", "set_for_transaction"]

CLIENT_ENCODING = "UTF8"  # sent at connection start: overrides the role's setting, and poolers track it

SETTINGS = {
    # resolution of names and literals: only pg_catalog is found without a schema
    "search_path": "",
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",
    "transform_null_equals": "off",
    "array_nulls": "on",
    # format of values, also in the images of rows, which are compared later
    "timezone_abbreviations": "Default",
    "DateStyle": "ISO, MDY",
    "IntervalStyle": "postgres",
    "extra_float_digits": "1",
    "bytea_output": "hex",
    "xmlbinary": "base64",
    "xmloption": "content",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    # policies filter rows, which a rule reports, instead of raising an error
    "row_security": "on",
}

# only for a connection that keeps its backend
SESSION_SETTINGS = {
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "idle_session_timeout": "0",  # the connection that holds the lease is idle during the work
    **SERVER_KEEPALIVES,
}


def apply_settings(connection: psycopg.Connection[Any], *, for_session: bool, time_zone: str = "UTC") -> None:
    """Apply all settings that change the meaning or format of later statements.

    Args:
        for_session: apply them to the session instead of the current transaction. Only for a connection
            that keeps its backend: a pooler in transaction mode would pass the settings on to the
            application. A transaction must have begun; its isolation level can no longer be set.
        time_zone: the time zone in which the application writes; its triggers may store `now()` in a
            timestamp without time zone.
    """
    settings = SETTINGS | (SESSION_SETTINGS if for_session else {}) | {"TimeZone": time_zone}
    _set(connection, settings, is_local=not for_session)


def judging_at(instant: datetime | None) -> dict[str, str]:
    """The settings of a transaction that judges: at this instant or, for none, now; without JIT."""
    return {"jit": "off", "rollcall.judged_at": instant.isoformat() if instant else ""}


def set_for_transaction(connection: psycopg.Connection[Any], settings: Mapping[str, str]) -> None:
    """Set these settings until the end of the transaction; the names may be those of `rollcall.*` too."""
    _set(connection, settings, is_local=True)


def set_for_session(connection: psycopg.Connection[Any], settings: Mapping[str, str]) -> None:
    """Set these settings until the connection is closed. Only for a connection that keeps its backend."""
    _set(connection, settings, is_local=False)


def _set(connection: psycopg.Connection[Any], settings: Mapping[str, str], *, is_local: bool) -> None:
    parameters = [list(settings), list(settings.values()), is_local]
    with psycopg.RawCursor(connection) as cursor:
        cursor.execute(cast(Any, _statement()), parameters)


@cache
def _statement() -> str:
    path = PROJECT_DIRECTORY / "analyses" / "connection" / "apply_settings.sql"
    return path.read_text(encoding="utf-8")
