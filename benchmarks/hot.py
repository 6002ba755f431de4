"""Heartbeat updates per second and their share of heap-only ones, by indexed columns.

A loop in the server, one transaction each, finds every session by its key, so that only the upkeep of the
indexes differs: without the declared ones, with them, and with indexes on what a heartbeat writes.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass

from benchmarks import call_centres
from benchmarks.measure import Line, at_least, per_second, ratio_line, seconds_of, shown_only
from benchmarks.options import Options
from benchmarks.server import Databases, connect, settle
from benchmarks.statements import statements_of
from rollcall.sandbox.demo import DefectCounts, Scale

WARMING_ROUNDS = 3  # until the pages of open sessions have free space: the steady state
ROUNDS = 1
RUNS_PER_PAIR = 3  # many short runs average out the load of the machine
SQL = statements_of("hot")
VARIANTS = {
    "heartbeats_without": SQL["without our indexes"],
    "heartbeats_ours": "",
    "heartbeats_indexed": SQL["indexes on heartbeats"],
}


@dataclass
class Beats:
    """The measurements of one variant, run by run."""

    rates: list[float]
    updated: int = 0
    heap_only: int = 0

    @property
    def share(self) -> float:
        return self.heap_only / self.updated


def measure(databases: Databases, options: Options) -> Iterator[Line]:
    base = databases.create("heartbeats")
    scale = Scale(agents=options.agents, sessions=options.agents * 10, calls=options.agents * 5)
    call_centres.load(base, scale, DefectCounts.sound(scale))
    settle(base)
    databases.migrated(databases.workspace(base))
    with connect(base) as connection:
        connection.execute(SQL["heartbeats"])
    beats: dict[str, Beats] = {}
    for name, statements in VARIANTS.items():
        url = databases.create(name, template="heartbeats")
        if statements:
            with connect(url) as connection:
                connection.execute(statements)
        settle(url)
        _beat(url, WARMING_ROUNDS)
        beats[name] = Beats([])
    for _ in range(options.pairs * RUNS_PER_PAIR):
        for name, done in beats.items():
            rate, updated, heap_only = _beat(databases.server.conninfo(name), ROUNDS)
            done.rates.append(rate)
            done.updated += updated
            done.heap_only += heap_only
    without, ours, indexed = beats.values()
    yield ratio_line(
        "heartbeats with the declared indexes, against without",
        ours.rates,
        without.rates,
        at_least(0.95),
        per_second,
    )
    yield ratio_line(
        "heartbeats with indexes on what they write, against without",
        indexed.rates,
        without.rates,
        None,
        per_second,
    )
    yield shown_only("heap-only (HOT), without the declared indexes", without.share, f"{without.share:.1%}")
    yield shown_only(
        "heap-only (HOT), with the declared indexes", ours.share * 100, f"{ours.share:.1%}", at_least(99, "%")
    )
    yield shown_only(
        "heap-only (HOT), with indexes on what they write", indexed.share, f"{indexed.share:.1%}"
    )


def _beat(url: str, rounds: int) -> tuple[float, int, int]:
    """Updates per second, their number, and the number of heap-only ones."""
    updated_before, heap_only_before = _counters(url)
    with connect(url) as connection:
        connection.execute("set synchronous_commit = off")  # the speed of the disk would hide the difference
        taken = seconds_of(lambda: connection.execute("call benchmark_heartbeats(%s)", [rounds]))
        open_sessions = connection.execute(
            "select count(*) from agent_sessions where logout_at is null"
        ).fetchone()[0]
    expected = updated_before + rounds * open_sessions
    updated, heap_only = _counters(url)
    while updated < expected:  # the server updates its counters with a delay
        time.sleep(0.1)
        updated, heap_only = _counters(url)
    return (updated - updated_before) / taken, updated - updated_before, heap_only - heap_only_before


def _counters(url: str) -> tuple[int, int]:
    with connect(url) as connection:
        row = connection.execute(
            "select n_tup_upd, n_tup_hot_upd from pg_stat_user_tables where relname = 'agent_sessions'"
        ).fetchone()
    return int(row[0]), int(row[1])
