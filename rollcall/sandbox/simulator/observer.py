"""Read other processes' changes to the simulated sessions from the ledger and the rows.

The ledger contains the changes that Rollcall reports. The rows show all changes: a row version that no
transaction of the application wrote comes from another writer, recorded or not.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from rollcall.sandbox.simulator.application import Application
from rollcall.sandbox.simulator.gateway import Clock, Gateway
from rollcall.sandbox.simulator.truth import Truth

__all__ = ["Change", "Observer", "Pass", "Routing", "State"]

POLL_SECONDS = 0.4
LOOKS_PER_ROUTING = 5
OVERLAP_SECONDS = 20.0
"""A change is stamped before its commit, so it may become visible this much later."""


@dataclass(frozen=True)
class State:
    """The judged part of a session's row."""

    is_open: bool
    status: str
    call: str | None


@dataclass(frozen=True)
class Change:
    """A change that the application did not make. Times are seconds since 1970, by the server.

    Attributes:
        run_id: Rollcall's; None when the change is not recorded.
        latest: an instant after the change.
        xid: its transaction; the writer saw everything that was committed before it began.
    """

    session: str
    before: State
    after: State
    latest: float
    xid: int
    run_id: str | None = None
    remedy: str = ""
    rules: tuple[str, ...] = ()

    @property
    def closes(self) -> bool:
        return self.before.is_open and not self.after.is_open


@dataclass(frozen=True)
class Pass:
    """A completed clean-up."""

    run_id: str
    judged: float
    finished: float
    planned: int
    changed: int
    skipped: int


@dataclass(frozen=True)
class Routing:
    """A session beside `rollcall.routable_agents`, in one snapshot between `issued` and `acked`."""

    session: str
    status: str
    is_routable: bool
    issued: float
    acked: float


class Observer:
    """Collect changes, completed clean-ups and routable agents until the traffic ends.

    Attributes:
        routings: what the view said, at each of its observations.
    """

    def __init__(
        self,
        gateway: Gateway,
        application: Application,
        truth: Truth,
        clock: Clock,
        names: Mapping[str, Any],
        agents: list[str],
    ) -> None:
        self._gateway = gateway
        self._application = application
        self._truth = truth
        self._clock = clock
        self._agents = agents
        self._columns = [str(names[f"sessions_{column}_column"]) for column in ("status", "call_id")]
        self._since = clock.now()
        self._read_to = self._since
        self._rows: dict[str, tuple[Any, ...]] = {}
        self._suspects: dict[tuple[str, int], Change] = {}
        self._recorded: dict[tuple[str, str], Change] = {}
        self._unrecorded: dict[tuple[str, int], Change] = {}
        self._passes: dict[str, Pass] = {}
        self.routings: list[Routing] = []

    @property
    def changes(self) -> list[Change]:
        """The changes in the order in which they were made, as far as it is known."""
        known = {change.xid for change in self._recorded.values()}
        unrecorded = [change for change in self._unrecorded.values() if change.xid not in known]
        return sorted([*self._recorded.values(), *unrecorded], key=lambda change: change.latest)

    @property
    def passes(self) -> list[Pass]:
        return sorted(self._passes.values(), key=lambda found: found.judged)

    async def run(self, finished: asyncio.Event) -> None:
        """Observe at an interval; the caller makes the last observation."""
        for look in itertools.count():
            if finished.is_set():
                return
            await self.look()
            if look % LOOKS_PER_ROUTING == 0:
                await self.look_at_routing()
            try:
                await asyncio.wait_for(finished.wait(), POLL_SECONDS)
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Read the rows, then the ledger, which then contains every recorded change of the rows."""
        await self._look_at_rows()
        reply = await self._gateway.execute("(observe)", _LEDGER_EXISTS)
        if reply.rows and reply.rows[0][0]:
            await self._read_ledger()

    async def look_at_routing(self) -> None:
        """Read which sessions may get a call; nothing where the view does not exist."""
        reply = await self._gateway.execute("(observe)", _VIEW_EXISTS)
        if reply.rows and reply.rows[0][0]:
            reply = await self._application.routing_of(self._agents)
            self.routings += [
                Routing(str(session), str(status), is_routable, reply.issued, reply.acked)
                for session, status, is_routable in reply.rows
                if session in self._truth.sessions
            ]

    async def _look_at_rows(self) -> None:
        rows = {str(row[0]): row for row in await self._application.sessions_of(self._agents)}
        # one observation later: the application's own version may be read before its acknowledgement
        for identity, change in list(self._suspects.items()):
            del self._suspects[identity]
            if not self._truth.log.is_ours(change.xid):
                self._unrecorded[identity] = change
        for key, row in rows.items():
            session = self._truth.sessions.get(key)
            xmin = int(row[5])
            identity = (key, xmin)
            if (
                session is None
                or self._truth.log.is_ours(xmin)
                or identity in self._unrecorded
                or session.agent in self._truth.lost
            ):
                continue
            before = self._rows.get(key)
            was = State(before[2], before[3], before[4]) if before else State(True, "", None)
            after = State(row[2], row[3], row[4])
            self._suspects[identity] = Change(key, was, after, float(row[6]), xmin)
        self._rows = rows

    async def _read_ledger(self) -> None:
        since = max(self._since, self._read_to - OVERLAP_SECONDS)
        self._read_to = self._clock.now()
        for row in (await self._gateway.execute("(observe)", _CHANGES, [since])).rows:
            run_id, session, remedy, rules, changed_at, xmin, before, after = row
            if session in self._truth.sessions and (run_id, session) not in self._recorded:
                self._recorded[run_id, session] = Change(
                    session=session,
                    before=self._state(before),
                    after=self._state(after),
                    latest=changed_at,
                    xid=xmin,
                    run_id=run_id,
                    remedy=remedy,
                    rules=tuple(rules),
                )
        for row in (await self._gateway.execute("(observe)", _PASSES, [since])).rows:
            self._passes[row[0]] = Pass(*row)

    def _state(self, image: Mapping[str, Any]) -> State:
        status, call = (image[column] for column in self._columns)
        return State(self._application.is_open(image), str(status), None if call is None else str(call))


_LEDGER_EXISTS = sql.SQL(
    "select to_regclass('rollcall_ops.changes') is not null and to_regclass('rollcall_ops.runs') is not null"
).format()

_VIEW_EXISTS = sql.SQL("select to_regclass('rollcall.routable_agents') is not null").format()

_CHANGES = sql.SQL("""
    select run_id, session_id, remedy, rules, extract(epoch from changed_at)::float8,
        xmin::text::bigint, before_image, after_image
    from rollcall_ops.changes
    where changed_at > to_timestamp($1)
    order by changed_at
""").format()

_PASSES = sql.SQL("""
    select run_id, extract(epoch from judged_at)::float8, extract(epoch from finished_at)::float8,
        planned, coalesce(changed, 0), coalesce(skipped, 0)
    from rollcall_ops.runs
    where finished_at > to_timestamp($1)
        and judged_at is not null
        and planned is not null
        and failure is null
""").format()
