"""What other processes did to the simulated sessions: read from Rollcall's ledger, and off the rows.

The ledger says what Rollcall says that it did. The rows say what was done: a version that no
transaction of the application wrote is another writer's, recorded or not.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from rollcall.simulator.application import Application
from rollcall.simulator.gateway import Clock, Gateway
from rollcall.simulator.truth import Truth

__all__ = ["Change", "Observer", "Pass", "State"]

POLL_SECONDS = 0.4
OVERLAP_SECONDS = 20.0
"""A change is stamped before it is committed, so that one may turn up this much later."""


@dataclass(frozen=True)
class State:
    """What matters of a session's row."""

    is_open: bool
    status: str
    call: str | None


@dataclass(frozen=True)
class Change:
    """A change that the application did not make. Times are seconds since 1970, by the server.

    Attributes:
        run_id: Rollcall's; none when it is not recorded.
        latest: it was made before this.
        xid: its transaction; what was committed before that began was visible to the writer.
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
    """A clean-up that went through to its end."""

    run_id: str
    judged: float
    finished: float
    planned: int
    changed: int
    skipped: int


class Observer:
    """Collects changes and passes until it is told to stop."""

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
        self._columns = [
            str(names[f"sessions_{column}_column"]) for column in ("status", "call_id", "logout_at")
        ]
        self._since = clock.now()
        self._read_to = self._since
        self._rows: dict[str, tuple[Any, ...]] = {}
        self._suspects: dict[tuple[str, int], Change] = {}
        self._recorded: dict[tuple[str, str], Change] = {}
        self._unrecorded: dict[tuple[str, int], Change] = {}
        self._passes: dict[str, Pass] = {}

    @property
    def changes(self) -> list[Change]:
        """In the order in which they were made, as far as that is known."""
        known = {change.xid for change in self._recorded.values()}
        unrecorded = [change for change in self._unrecorded.values() if change.xid not in known]
        return sorted([*self._recorded.values(), *unrecorded], key=lambda change: change.latest)

    @property
    def passes(self) -> list[Pass]:
        return sorted(self._passes.values(), key=lambda found: found.judged)

    async def run(self, finished: asyncio.Event) -> None:
        """Look every moment; the last look is the caller's."""
        while not finished.is_set():
            await self.look()
            try:
                await asyncio.wait_for(finished.wait(), POLL_SECONDS)
            except TimeoutError:
                continue

    async def look(self) -> None:
        """Once: the rows first, so that whatever they show is in the ledger that is read after them."""
        await self._look_at_rows()
        reply = await self._gateway.execute("(observe)", _LEDGER_EXISTS)
        if reply.rows and reply.rows[0][0]:
            await self._read_ledger()

    async def _look_at_rows(self) -> None:
        rows = {str(row[0]): row for row in await self._application.sessions_of(self._agents)}
        # only now: a version of ours may have been read before its acknowledgement was
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
        status, call, logout_at = (image[column] for column in self._columns)
        return State(logout_at is None, str(status), None if call is None else str(call))


_LEDGER_EXISTS = sql.SQL(
    "select to_regclass('rollcall_ops.changes') is not null and to_regclass('rollcall_ops.runs') is not null"
).format()

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
