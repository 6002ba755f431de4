"""Run the passes of one clean-up or undo, and keep the counts of what was done."""

from __future__ import annotations

import itertools
import math
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from typing import Any

import psycopg

from rollcall.database.connections import Connection, Row, fetch, reason_of
from rollcall.database.session_settings import set_for_transaction
from rollcall.ledger.runs import Run
from rollcall.steps.batches.holds import HoldPolicy
from rollcall.steps.batches.queue import WorkQueue
from rollcall.steps.batches.result import GONE, RINGING, BatchResult, Item, ProgressCallback
from rollcall.steps.batches.worker import Worker
from rollcall.workspace import Workspace

__all__ = ["Batches"]

LOCK_SHARE = 0.5
"""The lock timeout, of the statement timeout: equally long, the server would report the latter first."""


class Batches:
    """Processes sessions in batches, on ``batch_connections`` connections.

    Every worker calls the given functions, so they must be safe for several threads.

    Args:
        result: filled in; ``planned`` is set by the caller.
        judge_and_change: the second statement, for rows that are locked. Gives ``session_id`` and ``reason``
            (`RINGING`: try again) of each skipped row; the others are changed.
        look_around: reads the evidence for a batch before any lock is taken.
        settings_of_batch: gives settings for the batch's transaction, before any lock is taken.
        progress: the progress callback.
    """

    def __init__(
        self,
        workspace: Workspace,
        run: Run,
        result: BatchResult,
        judge_and_change: Callable[[Connection, Sequence[Item]], list[Row]],
        look_around: Callable[[Connection], None] = lambda connection: None,
        settings_of_batch: Callable[[], dict[str, str]] = dict,
        progress: ProgressCallback | None = None,
    ) -> None:
        self.workspace = workspace
        self.run = run
        self.judge_and_change = judge_and_change
        self.look_around = look_around
        self.settings_of_batch = settings_of_batch
        self.settings = workspace.settings.variables
        # compiled now: the server ends a transaction that is idle for long
        names = ("lock_sessions", "existing_sessions", "waiting_for_us", "holds")
        self.sql = {name: workspace.project.sql(name) for name in names}
        timeout = max(2, int(self.settings["lock_timeout_ms"]))
        self.lock_timeout = str(max(1, int(self.settings["lock_timeout_ms"] * LOCK_SHARE)))
        self.limits = {
            "lock_timeout": self.lock_timeout,
            "statement_timeout": str(timeout),
            "idle_in_transaction_session_timeout": str(timeout),
            "row_security": "off",
            "jit": "off",
            "plan_cache_mode": "force_generic_plan",
        }
        self.queue = WorkQueue(())
        self.holds = HoldPolicy(
            self._reasons_to_hold, self.pause, lambda: self.is_over, self._hold_changed, self.settings
        )
        self._result = result
        self._progress = progress or ProgressCallback()
        self._workers: list[Worker] = []
        self._is_over = threading.Event()
        self._counting = threading.Lock()

    def work(self, items: Iterable[Item]) -> None:
        """Process all items.

        Raises:
            Refused: the lease was lost.
            ConnectionFailed: a connection is not available.
            psycopg.Error: a fault that concerns more than one row; what was committed stays.
        """
        try:
            self._connect_workers()
            lookahead = int(self.settings["largest_batch_rows"]) if len(self._workers) > 1 else 0
            self.queue = WorkQueue(items, lookahead)
            self._pass(self._workers)
            for _ in self._retries():
                self.queue.retry_deferred()
                self._pass(self._workers[:1])  # two connections would lock each other's rows
            self._report_deferred()
        finally:
            for worker in self._workers:
                worker.close()

    @property
    def is_over(self) -> bool:
        """Whether another worker failed, or the run was interrupted."""
        return self._is_over.is_set()

    def process_ids(self) -> list[int]:
        """The server's processes that work for this run."""
        return [number for worker in self._workers if (number := worker.process_id) is not None]

    def committed(self, batch: Sequence[Item], locked: int, kept: dict[str, str]) -> None:
        """Count a committed batch. kept: the reason for each locked row that was skipped."""
        own = f"already repaired by run {self.run.id}"  # the commit succeeded, but its answer was lost
        kept = {key: reason for key, reason in kept.items() if reason != own}
        with self._counting:
            self._result.changed += locked - len(kept)
            if locked > len(kept):
                self.holds.reset_refusals()
        self.queue.defer([item for item in batch if kept.get(item["session_id"]) == RINGING], RINGING)
        self._skip({key: reason for key, reason in kept.items() if reason != RINGING})
        self.report_progress()

    def refused(self, item: Item, error: psycopg.Error) -> None:
        """Report a row that the database refuses."""
        with self._counting:
            self.holds.count_refusal()
        self._skip({item["session_id"]: f"refused by the database: {reason_of(error)}"})

    def give_up(self, items: Iterable[Item], reason: str) -> None:
        """Report items as skipped."""
        for keys in _chunks((item["session_id"] for item in items), int(self.settings["first_batch_rows"])):
            self._skip(dict.fromkeys(keys, reason))

    def report_progress(self) -> None:
        with self._counting:
            self._progress.advanced(self._result.changed + len(self._result.skipped), self._result.planned)

    def pause(self, seconds: float) -> None:
        """Make room for other transactions; ends early when the run ends."""
        began = time.monotonic()
        self._is_over.wait(seconds)
        with self._counting:
            self._result.paused_seconds += time.monotonic() - began

    def _connect_workers(self) -> None:
        useful = math.ceil(self._result.planned / self.settings["first_batch_rows"])
        for _ in range(max(1, min(int(self.settings["batch_connections"]), useful))):
            self._workers.append(Worker(self))
            self._workers[-1].connect()

    def _pass(self, workers: Sequence[Worker]) -> None:
        """Empty the queue; rows that are not available now are deferred."""
        if len(workers) == 1:
            workers[0].work()
        else:
            self._work_at_once(workers)
        if self.holds.stopped:
            self.give_up(self.queue.drain(), self.holds.stopped)

    def _work_at_once(self, workers: Sequence[Worker]) -> None:
        with ThreadPoolExecutor(len(workers), "batches") as pool:
            try:
                for ended in as_completed([pool.submit(worker.work) for worker in workers]):
                    ended.result()
            except BaseException:
                self._is_over.set()
                for worker in workers:
                    worker.cancel()
                raise

    def _retries(self) -> Iterator[None]:
        """One for each retry pass over the deferred rows, after a pause."""
        passes, until = 0, time.monotonic() + self.settings["ringing_wait_seconds"]
        while self.queue.count_deferred():
            ringing = self.queue.count_deferred(RINGING)
            if passes >= self.settings["locked_row_passes"] and not (ringing and time.monotonic() < until):
                break
            if ringing:
                self._hold_changed(f"a call rings for {ringing} of the sessions")
            self.pause(self.settings["locked_row_pause_seconds"])
            if ringing:
                self._hold_changed(None)
            yield
            passes += 1

    def _reasons_to_hold(self) -> list[str]:
        return [row["reason"] for row in fetch(self.run.connection, self.sql["holds"])]

    def _hold_changed(self, reason: str | None) -> None:
        self._progress.held(reason)

    def _report_deferred(self) -> None:
        for pairs in _chunks(self.queue.take_deferred(), int(self.settings["first_batch_rows"])):
            there = self._existing([item["session_id"] for item, _ in pairs])
            keys = {item["session_id"]: reason for item, reason in pairs}
            self._skip({key: reason if key in there else GONE for key, reason in keys.items()})

    def _existing(self, keys: list[str]) -> set[str]:
        """The keys that exist in the table; all keys if the whole table is locked."""
        connection = self.run.connection
        try:
            with connection.transaction():
                set_for_transaction(connection, {"lock_timeout": self.lock_timeout})
                rows = fetch(connection, self.sql["existing_sessions"], [keys])
        except psycopg.errors.LockNotAvailable:
            return set(keys)
        return {row["session_id"] for row in rows}

    def _skip(self, reasons: dict[str, str]) -> None:
        self.run.note_skips(reasons)
        with self._counting:
            self._result.skipped += [{"session_id": key, "reason": reason} for key, reason in reasons.items()]


def _chunks(values: Iterable[Any], size: int) -> Iterator[list[Any]]:
    rest = iter(values)
    while chunk := list(itertools.islice(rest, size)):
        yield chunk
