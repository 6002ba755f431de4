"""Queries on the views as an application sends them, with just-in-time compilation, against without.

The embedded PostgreSQL has no compiler, so the system's is used, with its default settings; without one the
benchmark is skipped. The call centre is migrated and cleaned. Each query runs on a connection that has run it
before, as connections of an application have, and its rows are received and not converted.
"""

from __future__ import annotations

import contextlib
import statistics
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks import call_centres
from benchmarks.measure import Goal, Line, at_most, in_pairs, seconds, seconds_of
from benchmarks.options import Options
from benchmarks.server import Databases, connect
from rollcall.servers.postgres import PostgresServer

SYSTEM = Path("/usr/lib/postgresql")
COMPILER = "lib/llvmjit.so"
DAY = "{0} >= current_date - 10 and {0} < current_date - 9"
SESSIONS = "select * from rollcall.agent_sessions where"
QUERIES: dict[str, tuple[str, Goal | None]] = {
    "routable_agents": ("select * from rollcall.routable_agents", at_most(20, " ms")),
    "agent_sessions, one agent": (f"{SESSIONS} agent_id = 17", at_most(50, " ms")),
    "agent_sessions, one key": (f"{SESSIONS} session_id = '{{key}}'", at_most(50, " ms")),
    "agent_sessions, one login day": (f"{SESSIONS} {DAY.format('login_at')}", at_most(50, " ms")),
    "agent_sessions, one logout day": (f"{SESSIONS} {DAY.format('logout_at')}", at_most(50, " ms")),
    "agent_sessions, all that are open": (f"{SESSIONS} is_open", None),
}


def measure(databases: Databases, options: Options) -> Iterator[Line]:
    programs = _programs_with_compiler()
    if programs is None:
        reason = f"skipped: no PostgreSQL with just-in-time compilation below {SYSTEM}"
        yield Line(reason, "", "", 0, "")
        return
    server = PostgresServer(databases.folder / "system", programs)
    server.start()
    try:
        system = Databases(server, databases.folder)
        yield Line(f"on the system's {system.description().partition(',')[0]}", "", "", 0, "")
        workspace = call_centres.cleaned(system, "views", options.sessions)
        yield from _lines(workspace.settings.conninfo, options)
    finally:
        server.stop()


def _programs_with_compiler() -> Path | None:
    """The server programs of the newest system PostgreSQL that has a compiler."""
    found = [folder for folder in SYSTEM.glob("*") if (folder / COMPILER).exists()]
    return max(found, key=lambda folder: int(folder.name)) / "bin" if found else None


def _lines(url: str, options: Options) -> Iterator[Line]:
    with contextlib.ExitStack() as stack:
        compiled = stack.enter_context(connect(url))
        plain = stack.enter_context(connect(url))
        plain.execute("set jit = off")
        (key,) = compiled.execute(
            "select max(id::text) from agent_sessions where logout_at is null"
        ).fetchone()
        for what, (query, goal) in QUERIES.items():
            text = query.format(key=key)
            rows = [len(connection.execute(text).fetchall()) for connection in (compiled, plain)]
            ours, other = in_pairs(
                options.pairs, partial(_taken, compiled, text), partial(_taken, plain, text)
            )
            milliseconds = statistics.median(ours) * 1000
            ratio = statistics.median(ours) / statistics.median(other)
            yield Line(
                f"{what} ({rows[0]:,} rows), against the same with jit = off",
                seconds(statistics.median(ours)),
                seconds(statistics.median(other)),
                milliseconds,
                f"{ratio:.2f}x",
                goal,
            )


def _taken(connection: Any, query: str) -> float:
    """The seconds until all rows are received, without the driver's conversion of each value."""
    return seconds_of(lambda: connection.pgconn.exec_(query.encode()))
