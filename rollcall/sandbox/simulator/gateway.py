"""The application's connection pool: each statement is timed, each failure recorded."""

from __future__ import annotations

import asyncio
import contextlib
import time
from array import array
from collections.abc import AsyncIterator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

__all__ = ["Clock", "Failure", "Gateway", "Reply", "Timings", "quantile"]

LOST_CLASSES = ("08", "57P")
"""SQLSTATE classes: connection errors, server stop or start. A statement is retried after these."""
RETRY_SECONDS = 0.1
GIVE_UP_SECONDS = 120.0
CONNECT_SECONDS = 10
CLOCK_PROBES = 9


@dataclass(frozen=True)
class Failure:
    """A failed statement of the application, other than by a lost connection."""

    kind: str
    at: float
    sqlstate: str
    message: str


@dataclass(frozen=True)
class Reply:
    """The result of a statement.

    Attributes:
        issued, acked: when it was first sent and when its commit was known, by the clock.
        retried: its connection was lost, so it may have been executed twice.
    """

    rows: list[tuple[Any, ...]]
    issued: float
    acked: float
    retried: bool = False


@dataclass
class Timings:
    """Seconds for each statement of one kind, without its wait for a connection."""

    seconds: array[float] = field(default_factory=lambda: array("d"))

    def quantile(self, share: float) -> float:
        return quantile(self.seconds, share)


def quantile(values: Iterable[float], share: float) -> float:
    """The quantile by nearest rank; 0 without measurements."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else 0.0


class Clock:
    """The server's clock, derived from the local one: seconds since 1970. `error`: its bound."""

    def __init__(self) -> None:
        self._offset = time.time() - time.monotonic()
        self.error = 0.0

    def now(self) -> float:
        return time.monotonic() + self._offset

    async def set_by(self, connection: psycopg.AsyncConnection[Any]) -> None:
        """Read the server's clock several times and keep the fastest, most exact reading."""
        best = float("inf")
        for _ in range(CLOCK_PROBES):
            sent = time.monotonic()
            cursor = await connection.execute("select extract(epoch from clock_timestamp())::float8")
            row = await cursor.fetchone()
            took = time.monotonic() - sent
            if row is not None and took < best:
                best = took
                self._offset = row[0] - (sent + took / 2)
        self.error = best / 2 + 0.001  # the columns hold milliseconds


class Gateway:
    """Execute the application's statements, each in a transaction of its own.

    A lost connection is reopened and the statement sent again, so that the application sees a restart of its
    database as a pause. Any other failure is recorded in `failures`, and returns no rows.
    """

    def __init__(self, conninfo: str, connections: int, clock: Clock) -> None:
        self._conninfo = make_conninfo(
            conninfo, application_name="rollcall simulate", connect_timeout=str(CONNECT_SECONDS)
        )
        self._size = connections
        self._clock = clock
        self._free: asyncio.LifoQueue[psycopg.AsyncConnection[Any]] = asyncio.LifoQueue()
        self._all: set[psycopg.AsyncConnection[Any]] = set()
        self.timings: dict[str, Timings] = {}
        self.failures: list[Failure] = []
        self.interruptions = 0

    async def open(self) -> None:
        for _ in range(self._size):
            self._free.put_nowait(await self._connect())

    async def close(self) -> None:
        for connection in self._all:
            await connection.close()

    async def execute(self, kind: str, query: sql.Composed, parameters: Sequence[Any] = ()) -> Reply:
        """Send one statement and commit it. `kind`: the label for its timing."""
        issued = self._clock.now()
        retried = False
        while True:
            try:
                async with self.borrowed() as connection:
                    started = time.monotonic()
                    cursor = await connection.execute(query, parameters or None)
                    rows = await cursor.fetchall() if cursor.description else []
                    took = time.monotonic() - started
                self.timings.setdefault(kind, Timings()).seconds.append(took)
                return Reply(rows, issued, self._clock.now(), retried)
            except psycopg.Error as error:
                if not _was_lost(error) or self._clock.now() - issued > GIVE_UP_SECONDS:
                    return self._failed(kind, issued, error)
                retried = True
                self.interruptions += 1
                await asyncio.sleep(RETRY_SECONDS)

    def _failed(self, kind: str, issued: float, error: psycopg.Error) -> Reply:
        now = self._clock.now()
        message = (error.diag.message_primary or str(error).strip() or type(error).__name__).splitlines()[0]
        self.failures.append(Failure(kind, now, error.sqlstate or "", message))
        return Reply([], issued, now)

    @contextlib.asynccontextmanager
    async def borrowed(self) -> AsyncIterator[psycopg.AsyncConnection[Any]]:
        """A connection of the pool, reopened if it was lost."""
        connection = await self._free.get()
        try:
            if connection.closed:
                self._all.discard(connection)
                connection = await self._connect()
            yield connection
        finally:
            self._free.put_nowait(connection)

    async def _connect(self) -> psycopg.AsyncConnection[Any]:
        connection = await psycopg.AsyncConnection.connect(
            self._conninfo, autocommit=True, cursor_factory=psycopg.AsyncRawCursor
        )
        self._all.add(connection)
        return connection


def _was_lost(error: psycopg.Error) -> bool:
    """Whether a statement failed because its connection was lost or could not be opened."""
    if error.sqlstate is not None:
        return error.sqlstate.startswith(LOST_CLASSES)
    return isinstance(error, psycopg.OperationalError | psycopg.InterfaceError)
