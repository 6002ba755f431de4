"""Clean, in rows per second, against one bare UPDATE and against batches with images.

Each variant works on one connection; the others have batches of the same sizes as the clean-up. `beside`
measures the latency of the application's statements meanwhile.

Each measurement works on a fresh copy of the same migrated call centre with the same planned rows. The plan
and the keys for the other variants are made before the measurement. Pauses are not counted; they occur only
while another session waits.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterator
from itertools import islice

from benchmarks import call_centres
from benchmarks.measure import Line, at_least, per_second, ratio_line, seconds_of
from benchmarks.options import Options
from benchmarks.server import Databases, connect, settle
from benchmarks.statements import statements_of
from rollcall.ledger.runs import open_run
from rollcall.sandbox.demo import DefectCounts, Scale
from rollcall.steps.batches import ProgressCallback
from rollcall.steps.clean.cleaning import clean
from rollcall.steps.plan.pending_work import make_plan

AGENTS_PER_CHANGE = 1 / 20
ENOUGH = 0.99  # minimum share of planned rows that must have changed for a comparison
NAME = "clean_up"
BASE = "clean_up_base"

SQL = statements_of("clean")


def measure(databases: Databases, options: Options) -> Iterator[Line]:
    prepare(databases, BASE, options.changes)
    rates: dict[str, list[float]] = defaultdict(list)
    for _ in range(options.pairs):
        rate, sizes, keys = _ours(databases)
        rates["ours"].append(rate)
        rates["audited"].append(_other(databases, keys, in_batches(SQL["audited"], sizes)))
        rates["images"].append(_other(databases, keys, in_batches(SQL["images"], sizes)))
        rates["bare"].append(_other(databases, keys, _bare))
    for other, goal, text in (
        ("audited", at_least(0.6), "the same batches with an audit"),
        ("images", None, "batches that keep the images alone"),
        ("bare", None, "one bare UPDATE"),
    ):
        what = f"clean, {options.changes:,} changes, against {text}"
        yield ratio_line(what, rates["ours"], rates[other], goal, per_second)


def prepare(databases: Databases, base: str, changes: int) -> None:
    """Make a migrated call centre with so many abandoned sessions in `base`."""
    agents = max(Scale.agents, round(changes * AGENTS_PER_CHANGE))
    url = databases.create(base)
    scale = Scale(agents=agents, sessions=agents * 20, calls=agents * 40)
    call_centres.load(url, scale, DefectCounts.sound(scale))
    call_centres.forget_sessions(url, changes)
    settle(url)
    databases.migrated(databases.workspace(url))


class Sizes(ProgressCallback):
    """Record the number of rows in each batch."""

    def __init__(self) -> None:
        self.sizes: list[int] = []
        self._done = 0

    def advanced(self, done: int, total: int) -> None:
        if done > self._done:
            self.sizes.append(done - self._done)
        self._done = done


def _fresh(databases: Databases) -> str:
    url = databases.create(NAME, template=BASE)
    with connect(url) as connection:  # warms the cache
        connection.execute("select count(s::text) from agent_sessions as s")
    return url


def _ours(databases: Databases) -> tuple[float, list[int], list[str]]:
    """Rollcall's rows per second, the sizes of its batches, and the changed keys in order."""
    workspace = databases.workspace(_fresh(databases))
    plan = make_plan(workspace)
    progress = Sizes()
    with open_run(workspace, "clean") as run:
        started = time.perf_counter()
        result = clean(workspace, run, plan, progress)
        taken = time.perf_counter() - started
    if result.changed < ENOUGH * plan.change_count:
        raise RuntimeError(f"{result.changed} of {plan.change_count} rows were changed: {result.skipped[:3]}")
    keys = [change["session_id"] for change in plan.changes()]
    return result.changed / (taken - result.paused_seconds), progress.sizes, keys


def _other(databases: Databases, keys: list[str], work: Callable[[str, list[str]], float]) -> float:
    """Rows per second of another way to change the same rows."""
    url = _fresh(databases)
    with connect(url) as connection:
        connection.execute(SQL["tables"])
        with connection.cursor().copy("copy benchmark_keys from stdin") as copy:
            for key in keys:
                copy.write_row([key])
        connection.execute("analyze benchmark_keys")
    return len(keys) / work(url, keys)


def _bare(url: str, keys: list[str]) -> float:
    with connect(url) as connection:
        return seconds_of(lambda: connection.execute(SQL["bare"]))


def in_batches(statement: str, sizes: list[int]) -> Callable[[str, list[str]], float]:
    def work(url: str, keys: list[str]) -> float:
        remaining = iter(keys)
        with connect(url) as connection:

            def all_batches() -> None:
                for size in sizes:
                    connection.execute(statement, [list(islice(remaining, size))])

            return seconds_of(all_batches)

    return work
