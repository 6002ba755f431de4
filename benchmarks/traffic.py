"""The application's traffic: `python -m benchmarks.traffic URL CONNECTIONS`.

Each connection updates the heartbeat of an open session and selects a session, in turns, with a short pause.
Both find it by its key, so that the statements have the same plan before the migration and after it. The
process works until its standard input ends, and then prints one JSON line: the name, the start (seconds since
1970) and the duration (seconds) of each statement.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass

import psycopg

__all__ = ["Sample", "traffic"]

PAUSE_SECONDS = 0.01
STATEMENTS = {
    "update": "update agent_sessions set last_activity = clock_timestamp() at time zone 'utc' where id = %s",
    "select": "select agent_id, status, logout_at from agent_sessions where id = %s",
}


@dataclass(frozen=True)
class Sample:
    """One statement of the application. started, seconds: seconds since 1970, and duration."""

    kind: str
    started: float
    seconds: float


@contextlib.contextmanager
def traffic(url: str, connections: int) -> Iterator[list[Sample]]:
    """Run traffic during the block; the yielded list has the samples afterwards."""
    samples: list[Sample] = []
    with subprocess.Popen(
        [sys.executable, "-m", "benchmarks.traffic", url, str(connections)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()  # the process has started its traffic
        try:
            yield samples
        finally:
            out, _ = process.communicate()
    if process.returncode != 0:
        raise RuntimeError("the traffic failed")
    samples += [Sample(*sample) for sample in json.loads(out)]


def main(url: str, connections: int) -> None:
    done = threading.Event()
    taken: list[list[tuple[str, float, float]]] = [[] for _ in range(connections)]
    failures: list[BaseException] = []

    def work(place: int) -> None:
        try:
            with contextlib.closing(psycopg.connect(url, autocommit=True)) as connection:
                rows = connection.execute(
                    "select id from agent_sessions where logout_at is null order by md5(id::text)"
                ).fetchall()[place::connections]
                turn = 0
                while not done.wait(PAUSE_SECONDS):
                    for kind, statement in STATEMENTS.items():
                        started, began = time.time(), time.perf_counter()
                        connection.execute(statement, rows[turn % len(rows)])
                        taken[place].append((kind, started, time.perf_counter() - began))
                    turn += 1
        except BaseException as failure:
            failures.append(failure)

    threads = [threading.Thread(target=work, args=[place]) for place in range(connections)]
    for thread in threads:
        thread.start()
    print("at work", flush=True)
    sys.stdin.read()
    done.set()
    for thread in threads:
        thread.join()
    if failures:
        raise failures[0]
    print(json.dumps([sample for samples in taken for sample in samples]))


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]))
