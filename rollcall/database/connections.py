"""Open connections to the application's database; no other module does.

Statements use PostgreSQL's own parameters (``$1``), as the compiled SQL does, so that a ``%`` in a name
needs no escaping. `rollcall.database.session_settings` applies settings before any other statement. Steps
that read apply them to the transaction, because a pooler may pass the session on to the application. Steps
that write apply them to the session, after `refuse_pooler`.
"""

from __future__ import annotations

import contextlib
import os
import re
import socket
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, cast

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo
from psycopg.rows import dict_row

from rollcall import __version__
from rollcall.database.conninfo import read_conninfo
from rollcall.database.keepalives import CLIENT_KEEPALIVES
from rollcall.database.session_settings import (
    CLIENT_ENCODING,
    apply_settings,
    judging_at,
    set_for_transaction,
)
from rollcall.errors import ConnectionFailed, EvaluationError

__all__ = ["Connection", "Database", "Row", "Snapshot", "deadline", "is_lost"]

Row = dict[str, Any]
Connection = psycopg.Connection[Row]

OLDEST_SERVER_VERSION = 14
FETCH_ROWS = 2_000
CONNECT_SECONDS = 10
SQL_ASCII_HINT = (
    "an SQL_ASCII database does not know which characters its bytes mean; convert the texts and names "
    "in the tables to UTF8, or move the database to one with an encoding"
)
FUNCTION = re.compile(r"(?:PL/pgSQL|SQL) function (\S+\([^)]*\)|\"[^\"]+\")")
NOT_FOUND = (
    psycopg.errors.UndefinedTable,
    psycopg.errors.UndefinedFunction,
    psycopg.errors.UndefinedObject,
)
OTHER_ENCODING_HINT = "use only characters in vars and own rules that the database's encoding has"


@dataclass(frozen=True)
class Database:
    """A reachable database.

    Attributes:
        conninfo: libpq's; may contain a password.
        name, server_version: as the server reports them; the version such as ``18.1``.
        identity: host, port, database and user; distinguishes two databases.
        time_zone: the time zone in which the application writes, set on every connection.
    """

    conninfo: str = field(repr=False)
    name: str
    server_version: str
    identity: tuple[str, ...] = field(repr=False)
    time_zone: str = "UTC"

    @classmethod
    def reach(cls, conninfo: str, time_zone: str = "UTC") -> Database:
        """Connect once and read the name and version of the server.

        Raises:
            ConfigurationError: the conninfo cannot be read.
            ConnectionFailed: no connection, with libpq's reason and no secret.
            EvaluationError: the server is too old.
        """
        with contextlib.closing(_connect(conninfo)) as connection:
            info = connection.info
            _refuse_old_server(info)
            return cls(
                conninfo=conninfo,
                name=info.dbname,
                server_version=info.parameter_status("server_version") or "unknown",
                identity=(info.host, str(info.port), info.dbname, info.user),
                time_zone=time_zone,
            )

    def connect(self) -> Connection:
        """Open a new connection in autocommit mode, with the settings for the session.

        For steps that write, after `refuse_pooler`; the caller closes it.
        """
        connection = _connect(self.conninfo)
        try:
            apply_settings(connection, for_session=True, time_zone=self.time_zone)
        except BaseException:
            connection.close()
            raise
        return connection

    def connect_unset(self) -> Connection:
        """Open a connection in autocommit mode without settings, for reads through a pooler.

        Each transaction on it must begin with `apply_settings`; the caller closes the connection.
        """
        return _connect(self.conninfo)

    @contextlib.contextmanager
    def transaction(self) -> Iterator[Connection]:
        """Open a read-write transaction with settings of its own; works through any pooler."""
        with contextlib.closing(_connect(self.conninfo)) as connection, connection.transaction():
            apply_settings(connection, for_session=False, time_zone=self.time_zone)
            yield connection

    @contextlib.contextmanager
    def snapshot(self, judged_at: datetime | None = None) -> Iterator[Snapshot]:
        """Open a repeatable-read, read-only transaction; all queries see the same instant.

        Args:
            judged_at: the instant to judge at, instead of that of the transaction.
        """
        with contextlib.closing(self.connect_unset()) as connection, connection.transaction():
            connection.execute("set transaction isolation level repeatable read, read only")
            apply_settings(connection, for_session=False, time_zone=self.time_zone)
            set_for_transaction(connection, judging_at(judged_at))
            yield Snapshot(connection)


@dataclass(frozen=True)
class Snapshot:
    """Queries on one snapshot of the database."""

    connection: Connection
    _read: dict[str, list[Row]] = field(default_factory=dict)

    def exported(self) -> str:
        """Export the snapshot for other transactions; returns its name."""
        return str(self.row("select pg_export_snapshot() as id")["id"])

    def row(self, query: str, parameters: Sequence[Any] = ()) -> Row:
        rows = self.rows(query, parameters)
        if len(rows) != 1:
            raise EvaluationError(f"a query that gives one row gave {len(rows)}", "report this as a fault")
        return rows[0]

    def rows(self, query: str, parameters: Sequence[Any] = ()) -> list[Row]:
        with _text_needed(self.connection):
            return fetch(self.connection, query, parameters)

    def rows_once(self, query: str, read: Callable[[], list[Row]]) -> list[Row]:
        """The rows that `read` gives for a query: they are the same for the whole snapshot."""
        if query not in self._read:
            self._read[query] = read()
        return self._read[query]

    def stream(self, query: str) -> Iterator[Row]:
        """Yield the rows of a query, holding a few thousand in memory."""
        with psycopg.RawServerCursor(self.connection, "rollcall_stream") as cursor:
            cursor.itersize = FETCH_ROWS
            with _text_needed(self.connection):
                cursor.execute(cast(Any, query))
                yield from cursor


@contextlib.contextmanager
def _text_needed(connection: Connection) -> Iterator[None]:
    """Translate a failed text conversion into an error with the encodings and a remedy."""
    try:
        yield
    except (psycopg.errors.CharacterNotInRepertoire, psycopg.errors.UntranslatableCharacter) as error:
        encoding = connection.info.parameter_status("server_encoding")
        raise EvaluationError(
            f"a text cannot be converted between the database, whose encoding is {encoding}, and UTF8: "
            f"{reason_of(error)}",
            SQL_ASCII_HINT if encoding == "SQL_ASCII" else OTHER_ENCODING_HINT,
        ) from None


def fetch(connection: Connection, query: str, parameters: Sequence[Any] = ()) -> list[Row]:
    """Execute one statement and return its rows; empty for a statement without a result."""
    cursor = connection.execute(cast(Any, query), parameters or None)
    return cursor.fetchall() if cursor.description else []


@contextlib.contextmanager
def deadline(seconds: float, *connections: Connection) -> Iterator[list[bool]]:
    """Shut the connections down after a timeout; a pooler may delay an answer for minutes.

    Yields a list that is empty until the timeout has expired.
    """
    expired: list[bool] = []

    def expire() -> None:
        expired.append(True)
        for connection in connections:
            with (
                contextlib.suppress(OSError, psycopg.Error),
                socket.socket(fileno=os.dup(connection.fileno())) as shared,
            ):
                shared.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(seconds, expire)
    timer.start()
    try:
        yield expired
    finally:
        timer.cancel()


def text_array(values: Iterable[str]) -> str:
    """Format texts as a PostgreSQL array literal, five times as fast as psycopg does."""
    escaped = (value.replace("\\", "\\\\").replace('"', '\\"') for value in values)
    return "{" + ",".join(f'"{value}"' for value in escaped) + "}"


def take_role(connection: Connection, role: str | None) -> None:
    """Set a role for the rest of this transaction."""
    if role is not None:
        connection.execute(sql.SQL("set local role {}").format(sql.Identifier(role)))


def is_lost(error: psycopg.Error) -> bool:
    """Whether the connection was lost: cut, or ended by the server or an administrator."""
    is_cut = error.sqlstate is None or error.sqlstate.startswith(("08", "57P0"))
    return isinstance(error, psycopg.OperationalError) and is_cut


def reason_of(error: psycopg.Error) -> str:
    """The first line of the error message, without the statement.

    For a function of the application that relies on the caller's search path, the remedy is added.
    """
    primary = error.diag.message_primary if error.diag else None
    message = (primary or str(error).strip() or type(error).__name__).splitlines()[0]
    function = FUNCTION.search(error.diag.context or "") if isinstance(error, NOT_FOUND) else None
    if function is None:
        return message
    return (
        f"{message}, in {function[1]}: Rollcall's search_path is empty, so the function needs its own "
        f"(alter function {function[1]} set search_path = ...)"
    )


def _connect(conninfo: str) -> Connection:
    parameters = read_conninfo(conninfo)
    try:
        defaults: dict[str, Any] = {
            "connect_timeout": CONNECT_SECONDS,
            "application_name": f"rollcall {__version__}",
            **CLIENT_KEEPALIVES,
        }
        return psycopg.connect(
            make_conninfo(**(defaults | parameters | {"client_encoding": CLIENT_ENCODING})),
            autocommit=True,
            prepare_threshold=None,
            row_factory=dict_row,
            cursor_factory=psycopg.RawCursor,
        )
    except psycopg.Error as error:
        raise ConnectionFailed(
            f"cannot connect to the database: {_libpq_reason(error, parameters)}",
            "check that the server is up and the name, user and password are right "
            "(ROLLCALL_DATABASE_URL, PG* variables, ~/.pgpass)",
        ) from None


def _refuse_old_server(info: psycopg.ConnectionInfo) -> None:
    """Refuse servers older than the minimum; libpq reports 14.5 as 140005."""
    if info.server_version // 10_000 < OLDEST_SERVER_VERSION:
        raise EvaluationError(
            f"the server is PostgreSQL {info.parameter_status('server_version')}, which is too old",
            f"Rollcall needs PostgreSQL {OLDEST_SERVER_VERSION} or newer; nothing was read or changed",
        )


def _libpq_reason(error: psycopg.Error, parameters: Mapping[str, Any]) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    text = "; ".join(lines).removeprefix("connection failed: ") or type(error).__name__
    password = str(parameters.get("password") or "")
    return text.replace(password, "***") if password else text
