"""Sessions are changed in small guarded transactions: what clean and undo have in common.

A batch is one transaction of two statements: the first locks the rows that nobody else holds, the
second judges them again, as they are now, and changes them. Nobody waits for a statement of a batch
longer than the lock time-out: one that would take longer is undone by the server, divided and tried
again. A row that somebody else holds, or that a ringing call protects, is tried again at the end; a
row that the database refuses stops nobody else. All are reported.

`Batches` knows what is to be done and what was done; each `_Worker` has a connection, and makes one
batch after the other on it. `batch_connections` of them always work, and up to `quiet_batch_connections`
while nobody else uses the server: more are quicker, as are longer batches (`quiet_batch_goal_ms`), and
only then does nobody notice. Who helps has a connection only meanwhile.
"""

from __future__ import annotations

import contextlib
import itertools
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass, field
from typing import Any

import psycopg

from rollcall.database import (
    CONNECT_SECONDS,
    Connection,
    Row,
    deadline,
    fetch,
    reason_of,
    take_role,
    text_array,
)
from rollcall.errors import ConnectionFailed
from rollcall.ledger import Run
from rollcall.workspace import Workspace

__all__ = ["BatchResult", "Batches", "Item", "Watcher"]

Item = dict[str, Any]

HOLD_POLL_SECONDS = 0.5
LOCK_SHARE = 0.5  # of the time that a statement may take: it would be cancelled as too slow otherwise
CANCEL_SECONDS = 5
PLANS_SECONDS = 10  # a statement's plan is kept for so long: our own tables grow meanwhile
ROUND_TRIPS = 4  # to the server while a batch holds its rows: fewer rows would not make them shorter
REFUSED_SECONDS = 60  # until a connection that was not to be had, and is not needed, is asked for again
RECONNECTIONS = 5  # in a row; a batch whose connection is lost is undone by the server, and tried again

LOCKED = "locked by another transaction until the end"
RINGING = "a live call of its agent kept it open until the end"
TOO_SLOW = "judging it takes longer than anybody may wait for us (lock_timeout_ms); are the indexes there?"
UNFINISHED = "the connection that was to change it ended"
GONE = "no longer in the table"

SET_FOR_THIS_TRANSACTION = """
select set_config(s.name, s.value, true)
from unnest($1::text[], $2::text[]) as s (name, value)
"""

FATAL_CLASSES = ("08", "53", "57", "58", "F0", "XX")
"""Of SQLSTATE: connection, resources (disk full), shutdown, system, damage. No row fares better."""
READ_ONLY = "25006"


@dataclass
class BatchResult:
    """What a run did to the sessions it was to change.

    Attributes:
        skipped: ``session_id`` and ``reason`` of each that was left alone.
        paused_seconds: how long each connection made room for others, added up.
    """

    run_id: str
    planned: int = 0
    changed: int = 0
    skipped: list[dict[str, str]] = field(default_factory=list)
    paused_seconds: float = 0.0


class Watcher:
    """Is told how the work goes on, by whichever thread knows. This one tells nobody."""

    def advanced(self, done: int, total: int) -> None:
        """A batch ended: so many of so many sessions are dealt with."""

    def held(self, reason: str | None) -> None:
        """The work waits, and why; none: it goes on."""


class Batches:
    """Works through sessions in batches.

    Several connections may work at once; what is given here is called by all of them, and must not mind.

    Args:
        result: filled in; what is planned is there already.
        judge_and_change: the second statement, for rows that are locked. Gives ``session_id`` and ``reason``
            (`RINGING`: try again) of each that was left alone; the others are changed.
        look_around: what is read before a batch begins, while it holds nothing.
        settings_of_batch: what its transaction is to find set, before it locks.
    """

    def __init__(
        self,
        workspace: Workspace,
        run: Run,
        result: BatchResult,
        judge_and_change: Callable[[Connection, Sequence[Item]], list[Row]],
        look_around: Callable[[Connection], None] = lambda connection: None,
        settings_of_batch: Callable[[], dict[str, str]] = dict,
        watcher: Watcher | None = None,
    ) -> None:
        self.workspace = workspace
        self.run = run
        self.judge_and_change = judge_and_change
        self.look_around = look_around
        self.settings_of_batch = settings_of_batch
        self.settings = workspace.settings.variables
        # compiled beforehand: a transaction that stands still for long is ended by the server
        names = ("lock_sessions", "existing_sessions", "waiting_for_us", "holds", "quiet")
        self.sql = {name: workspace.project.sql(name) for name in names}
        self.lock_timeout = str(max(1, int(self.settings["lock_timeout_ms"] * LOCK_SHARE)))
        time_out = str(max(2, int(self.settings["lock_timeout_ms"])))
        self.limits = {
            "lock_timeout": self.lock_timeout,
            "statement_timeout": time_out,  # nobody waits for a statement that takes long
            "idle_in_transaction_session_timeout": time_out,
            "row_security": "off",
            "jit": "off",
            "plan_cache_mode": "force_generic_plan",
        }
        self._result = result
        self._watcher = watcher or Watcher()
        self._workers: list[_Worker] = []
        self._items: Iterator[Item] = iter(())
        self._spare: list[Item] = []  # read to see that it is another agent's
        self._later: list[tuple[Item, str]] = []
        self._refusals = 0
        self._given_up: str | None = None
        self._looked_at = 0.0
        self._is_over = threading.Event()
        self._is_quiet = self._is_exhausted = False
        self._busy_at = self._connect_after = -math.inf
        self._news = threading.Condition()  # for who waits until it is quiet, or until there is no more to do
        self._lock = threading.Lock()  # of the books, never while the database is asked ...
        self._supply = threading.Lock()  # ... of the items, which may be read from it ...
        self._gate = threading.Lock()  # ... and who waits while something holds the work waits for all

    def work(self, items: Iterable[Item]) -> None:
        """Change them all.

        Raises:
            Refused: the lease was lost.
            psycopg.Error: something that no other row would fare better with; what was committed stays.
        """
        try:
            self._employ()
            self._pass(self._workers, iter(items))
            for _ in self._passes_at_the_end():
                again, self._later = self._later, []
                one = self._workers[:1]  # which cannot be in its own way
                self._pass(one, (item for item, _ in again))
            self._report_later()
        finally:
            for worker in self._workers:
                worker.close()

    def _employ(self) -> None:
        """As many workers as are of use."""
        always = int(self.settings["batch_connections"])
        useful = math.ceil(self._result.planned / self.settings["first_batch_rows"])
        for _ in range(max(1, min(always, useful))):
            self._workers.append(_Worker(self))
            self._workers[-1].connect()
        for _ in range(always, min(int(self.settings["quiet_batch_connections"]), useful)):
            self._workers.append(_Worker(self, helps=True))

    def _pass(self, workers: Sequence[_Worker], items: Iterator[Item]) -> None:
        """Work through the items; what cannot be had now is kept for later."""
        self._items, self._is_exhausted = items, False
        if len(workers) == 1:
            workers[0].work()
        else:
            self._at_once(workers)
        if self._given_up:
            later, self._later = self._later, []
            self.give_up(itertools.chain(self._spare, items, (item for item, _ in later)), self._given_up)

    def _at_once(self, workers: Sequence[_Worker]) -> None:
        with ThreadPoolExecutor(len(workers), "batches") as pool:
            try:
                for ended in as_completed([pool.submit(worker.work) for worker in workers]):
                    ended.result()
            except BaseException:
                self._is_over.set()
                self._tell()
                for worker in workers:
                    worker.cancel()
                raise

    def _passes_at_the_end(self) -> Iterator[None]:
        """One for each time that what could not be had is tried again, after a pause."""
        passes, until = 0, time.monotonic() + self.settings["ringing_wait_seconds"]
        while self._later:
            ringing = sum(reason == RINGING for _, reason in self._later)
            if passes >= self.settings["locked_row_passes"] and not (ringing and time.monotonic() < until):
                break
            if ringing:
                self._watcher.held(f"a call rings for {ringing} of the sessions")
            self.pause(self.settings["locked_row_pause_seconds"])
            if ringing:
                self._watcher.held(None)
            yield
            passes += 1

    @property
    def is_over(self) -> bool:
        """Whether another worker failed, or somebody ended the run."""
        return self._is_over.is_set()

    def process_ids(self) -> list[int]:
        """Of the server, at work for us."""
        return [number for worker in self._workers if (number := worker.process_id) is not None]

    def take(self, rows: int) -> Sequence[Item]:
        """The next items, so many; those of one agent together, where two connections would each get some.

        An agent's sessions are judged together: were the newest closed first, an older one would seem to
        be the newest, and to need another repair than the planned one.
        """
        with self._supply:
            batch = [*self._spare, *itertools.islice(self._items, rows - len(self._spare))]
            self._spare = []
            if len(self._workers) > 1:
                for item in itertools.islice(self._items, int(self.settings["largest_batch_rows"])):
                    if batch[-1].get("agent_id") is None or item["agent_id"] != batch[-1]["agent_id"]:
                        self._spare = [item]
                        break
                    batch.append(item)
            self._is_exhausted = not batch
        if not batch:
            self._tell()
        return batch

    @property
    def is_quiet(self) -> bool:
        """Whether nobody else uses the server."""
        return self._is_quiet

    def wait_until(self, may_help: Callable[[], bool]) -> bool:
        """Wait until who helps may do so; or not, because nothing more is to be done."""
        with self._news:
            self._news.wait_for(
                lambda: may_help() or self._is_exhausted or self.is_over or self._given_up is not None
            )
            return may_help()

    def _tell(self) -> None:
        with self._news:
            self._news.notify_all()

    def reason_to_stop(self) -> str | None:
        """Wait while something holds the work; gives why nothing more is done, if nothing more is."""
        with self._gate:
            self._given_up = self._given_up or self._wait_while_held() or self._too_many_refusals()
        if self._given_up:
            self._tell()
        return self._given_up

    def give_up(self, items: Iterable[Item], reason: str) -> None:
        """Report them all as left alone."""
        for keys in _chunks((item["session_id"] for item in items), int(self.settings["first_batch_rows"])):
            self._skip(dict.fromkeys(keys, reason))

    def done(self, batch: Sequence[Item], locked: int, kept: dict[str, str]) -> None:
        """A batch was committed; ``kept``: why some of those that were locked were left alone."""
        own = f"already repaired by run {self.run.id}"  # a commit that we did not hear of
        kept = {key: reason for key, reason in kept.items() if reason != own}
        with self._lock:
            self._result.changed += locked - len(kept)
            if locked > len(kept):
                self._refusals = 0
        self.put_off([item for item in batch if kept.get(item["session_id"]) == RINGING], RINGING)
        self._skip({key: reason for key, reason in kept.items() if reason != RINGING})
        self.report_progress()

    def put_off(self, items: Sequence[Item], reason: str) -> None:
        """Keep them for the end; the reason is reported if they cannot be had then either."""
        with self._lock:
            self._later += [(item, reason) for item in items]

    def refused(self, item: Item, error: psycopg.Error) -> None:
        """The database refuses this one."""
        with self._lock:
            self._refusals += 1
        self._skip({item["session_id"]: f"refused by the database: {reason_of(error)}"})

    def report_progress(self) -> None:
        with self._lock:
            self._watcher.advanced(self._result.changed + len(self._result.skipped), self._result.planned)

    def pause(self, seconds: float) -> None:
        began = time.monotonic()
        self._is_over.wait(seconds)
        with self._lock:
            self._result.paused_seconds += time.monotonic() - began

    def _wait_while_held(self) -> str | None:
        """Wait while something says so; gives why nothing more is done, when it says so for too long."""
        if time.monotonic() - self._looked_at < HOLD_POLL_SECONDS:
            return None
        until = time.monotonic() + self.settings["hold_max_minutes"] * 60
        was_held = False
        while reasons := fetch(self.run.connection, self.sql["holds"]):
            text = "; ".join(row["reason"] for row in reasons)
            self._watcher.held(text)
            was_held = True
            if self.is_over:
                return None
            if time.monotonic() > until:
                return f"held for {self.settings['hold_max_minutes']:g} minutes: {text}"
            self.pause(HOLD_POLL_SECONDS)
        if was_held:
            self._watcher.held(None)
        self._look_who_helps()
        self._looked_at = time.monotonic()
        return None

    def _look_who_helps(self) -> None:
        """Who helps is given a connection here, and not while we look who else has one."""
        if any(worker.helps for worker in self._workers):
            self._is_quiet = self._has_been_quiet()
            if self._is_quiet and time.monotonic() > self._connect_after and not self.is_over:
                try:
                    for worker in self._workers:
                        if worker.helps and not worker.is_done:
                            worker.connect()
                except ConnectionFailed:  # others have them all
                    self._connect_after = time.monotonic() + REFUSED_SECONDS
            self._tell()

    def _has_been_quiet(self) -> bool:
        asked = [self.process_ids(), float(self.settings["quiet_seconds"])]
        try:
            nobody = bool(fetch(self.run.connection, self.sql["quiet"], asked)[0]["is_quiet"])
        except psycopg.errors.InsufficientPrivilege:
            nobody = False  # who may be at work we may not see
        now = time.monotonic()
        if not nobody:
            self._busy_at = now
        return nobody and now - self._busy_at >= self.settings["quiet_seconds"]

    def _too_many_refusals(self) -> str | None:
        if self._refusals < self.settings["refusals_in_a_row_max"]:
            return None
        return f"not tried: the database refused {self._refusals} sessions in a row"

    def _report_later(self) -> None:
        for pairs in _chunks(self._later, int(self.settings["first_batch_rows"])):
            keys = [item["session_id"] for item, _ in pairs]
            there = self._existing(keys)
            self._skip(
                {
                    item["session_id"]: reason if item["session_id"] in there else GONE
                    for item, reason in pairs
                }
            )

    def _existing(self, keys: list[str]) -> set[str]:
        """Which are still in the table; all, when the whole table is locked."""
        connection = self.run.connection
        try:
            with connection.transaction():
                fetch(connection, "select set_config('lock_timeout', $1, true)", [self.lock_timeout])
                rows = fetch(connection, self.sql["existing_sessions"], [keys])
        except psycopg.errors.LockNotAvailable:
            return set(keys)
        return {row["session_id"] for row in rows}

    def _skip(self, reasons: dict[str, str]) -> None:
        self.run.note_skips(reasons)
        with self._lock:
            self._result.skipped += [{"session_id": key, "reason": reason} for key, reason in reasons.items()]


class _Worker:
    """One connection that makes one batch after the other, of a size that it finds for itself.

    Args:
        helps: works only while nobody else uses the server.
    """

    def __init__(self, batches: Batches, helps: bool = False) -> None:
        self.helps = helps
        self.is_done = False
        self.process_id: int | None = None
        self._batches = batches
        self._settings = batches.settings
        self._rows = int(self._settings["first_batch_rows"])
        self._connections_lost = 0
        self._round_trip = math.inf
        self._at_work = threading.Lock()
        self._connection: Connection | None = None

    def connect(self) -> None:
        """Connect, unless it is; ours alone, so no statement is planned anew for every batch."""
        if self._connection is None:
            workspace = self._batches.workspace
            connection = workspace.database.connect()
            connection.prepare_threshold = 0
            connection.isolation_level = psycopg.IsolationLevel.READ_COMMITTED
            connection.read_only = False
            self._planned_at = time.monotonic()
            try:
                with deadline(CONNECT_SECONDS, connection):  # a pooler may let us wait for a process
                    self.process_id = workspace.process_id_of(connection)
            except psycopg.Error as error:
                connection.close()
                raise ConnectionFailed(
                    f"the connection was lost before it was of use: {reason_of(error)}",
                    "see that the server, or a pooler before it, has one to spare, and run it again",
                ) from None
            self._connection = connection

    def work(self) -> None:
        """Take batches until there are no more."""
        with self._at_work:
            self._work()
            if self.helps:
                self.is_done = True
                self._disconnect()

    def cancel(self) -> None:
        """End the statement that another thread waits for."""
        if connection := self._connection:
            with contextlib.suppress(psycopg.Error):
                connection.cancel_safe(timeout=CANCEL_SECONDS)

    def close(self) -> None:
        """Close the connection, unless a thread that nobody waited for still uses it."""
        if self._at_work.acquire(blocking=False):
            self._disconnect()

    def _disconnect(self) -> None:
        self.process_id = None
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.close()

    def _work(self) -> None:
        batches = self._batches
        stack: list[Sequence[Item]] = []
        while True:
            if self.helps and not self._may_help():
                batches.put_off([item for batch in stack for item in batch], UNFINISHED)
                stack.clear()
                self._disconnect()
                if not batches.wait_until(self._may_help):
                    return
            batch = stack.pop() if stack else batches.take(self._rows)
            if not batch:
                return
            if reason := batches.reason_to_stop():
                batches.give_up(itertools.chain(batch, *stack), reason)
                return
            if batches.is_over:
                return
            if self.helps and not self._may_help():  # somebody came while the work was held
                stack.append(batch)
            else:
                stack += reversed(self._attempt(batch))

    def _may_help(self) -> bool:
        return self._batches.is_quiet and self._connection is not None

    def _discard_old_plans(self, connection: Connection) -> None:
        if time.monotonic() - self._planned_at > PLANS_SECONDS:
            connection.execute("discard plans")
            self._planned_at = time.monotonic()

    def _attempt(self, batch: Sequence[Item]) -> list[Sequence[Item]]:
        """Try a batch; gives the parts to try instead, or none."""
        connection = self._connection
        assert connection is not None
        try:
            locked, kept = self._transaction(connection, batch)
        except psycopg.Error as error:
            parts = [batch] if self._is_reconnected(connection, error) else self._after(error, batch)
            self._batches.report_progress()
            return parts
        self._connections_lost = 0
        self._batches.done(batch, locked, kept)
        return []

    def _after(self, error: psycopg.Error, batch: Sequence[Item]) -> list[Sequence[Item]]:
        state = error.sqlstate or ""
        if state == READ_ONLY or (state.startswith(FATAL_CLASSES) and state != "57014"):
            raise error
        halves = [batch[: len(batch) // 2], batch[len(batch) // 2 :]] if len(batch) > 1 else []
        if isinstance(error, psycopg.errors.QueryCanceled):
            self._rows = max(1, len(batch) // 2)
            if not halves:
                self._batches.put_off(batch, TOO_SLOW)
            return halves
        if isinstance(
            error,
            psycopg.errors.LockNotAvailable
            | psycopg.errors.DeadlockDetected
            | psycopg.errors.SerializationFailure,
        ):
            self._batches.put_off(batch, LOCKED)
            return []
        if not halves:
            self._batches.refused(batch[0], error)
        return halves

    def _transaction(self, connection: Connection, batch: Sequence[Item]) -> tuple[int, dict[str, str]]:
        """How many sessions were locked, and why some of them were left alone."""
        batches = self._batches
        self._discard_old_plans(connection)
        batches.look_around(connection)
        began = time.monotonic()
        with connection.transaction():
            self._round_trip = min(self._round_trip, time.monotonic() - began)
            settings = batches.limits | batches.settings_of_batch()
            fetch(connection, SET_FOR_THIS_TRANSACTION, [list(settings.keys()), list(settings.values())])
            batches.run.check_lease(connection)
            take_role(connection, batches.workspace.settings.clean_role)
            began = time.monotonic()
            keys = text_array(item["session_id"] for item in batch)
            locked = set(fetch(connection, batches.sql["lock_sessions"], [keys])[0]["locked"])
            ours = [item for item in batch if item["session_id"] in locked]
            left_alone = batches.judge_and_change(connection, ours) if ours else []
            waiting = fetch(connection, batches.sql["waiting_for_us"], [batches.process_ids()])[0]["waiting"]
        held = time.monotonic() - began - ROUND_TRIPS * self._round_trip
        batches.put_off([item for item in batch if item["session_id"] not in locked], LOCKED)
        self._adapt(held, len(batch), waiting)
        return len(ours), {row["session_id"]: row["reason"] for row in left_alone}

    def _adapt(self, seconds: float, rows: int, waiting: int) -> None:
        """Aim at a batch that works for as long as it should; make room for who waited for this one."""
        goal = self._settings["batch_goal_ms"]
        if self._batches.is_quiet:
            goal = max(goal, self._settings["quiet_batch_goal_ms"])
        wanted = rows * goal / 1000 / max(seconds, 0.001)
        grown = self._rows * self._settings["batch_growth"] + 1
        self._rows = int(max(1, min(wanted, grown, self._settings["largest_batch_rows"])))
        if waiting:
            self._rows = max(1, self._rows // 2)
            self._batches.pause(self._settings["batch_pause_ms"] / 1000)

    def _is_reconnected(self, lost: Connection, error: psycopg.Error) -> bool:
        """Go on with another connection while the lease is ours; the batch was undone, or is committed.

        Who helps goes on when it is given one.
        """
        if not lost.closed:
            return False
        self._batches.run.check_lease(self._batches.run.connection)
        self._disconnect()
        self._rows = max(1, self._rows // 2)
        self._connections_lost += 1
        if not self.helps:
            if self._connections_lost > RECONNECTIONS:
                raise error
            self.connect()
        return True


def _chunks(values: Iterable[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(values)
    while chunk := list(itertools.islice(rest, size)):
        yield chunk
