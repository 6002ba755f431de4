"""The settings of every connection, for psycopg and for Great Expectations: one list.

A role or a database may have its own search path, date style or time zone. Each setting that
changes what a statement means, or how a value is written, is set here before anything else runs.
"""

from __future__ import annotations

from functools import cache
from typing import Any, cast

import psycopg

from rollcall.settings.configuration import PROJECT_DIRECTORY

__all__ = ["CLIENT_ENCODING", "apply_settings"]

CLIENT_ENCODING = "UTF8"  # sent when connecting: it wins over the role's, and a pooler knows it

SETTINGS = {
    # how names and texts are read: outside pg_catalog nothing is found without its schema
    "search_path": "",
    "standard_conforming_strings": "on",
    "quote_all_identifiers": "off",
    "transform_null_equals": "off",
    "array_nulls": "on",
    # how values are read and written, in images of rows too, which are compared later
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
    # hidden rows are found and reported, instead of an error in the middle
    "row_security": "on",
}

# of a connection that keeps its server process
SESSION_SETTINGS = {
    "default_transaction_isolation": "read committed",
    "default_transaction_deferrable": "off",
    "idle_session_timeout": "0",  # the lease is held by a connection that is idle while others work
}


def apply_settings(connection: psycopg.Connection[Any], *, for_session: bool, time_zone: str = "UTC") -> None:
    """Set everything that changes the meaning or the form of what follows.

    Args:
        for_session: until the connection ends; only where it keeps its server process, because a
            pooler in transaction mode would hand the settings on to the application. Otherwise for
            this transaction, which must have begun; its isolation level cannot be set any more.
        time_zone: the one that the application writes in: a trigger of it may store `now()` in a
            timestamp without time zone.
    """
    settings = SETTINGS | (SESSION_SETTINGS if for_session else {}) | {"TimeZone": time_zone}
    parameters = [list(settings), list(settings.values()), not for_session]
    with psycopg.RawCursor(connection) as cursor:
        cursor.execute(cast(Any, _statement()), parameters)


@cache
def _statement() -> str:
    path = PROJECT_DIRECTORY / "analyses" / "connection" / "apply_settings.sql"
    return path.read_text(encoding="utf-8")
