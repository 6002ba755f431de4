"""`python -m benchmarks [NAME ...]`: run benchmarks in turn, and print a table for each."""

from __future__ import annotations

import argparse
import importlib
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from benchmarks.measure import Line
from benchmarks.options import Options

NAMES = (
    *("start", "run", "assess", "peers", "views", "migrate", "clean", "beside", "memory", "steady"),
    *("hot", "calls", "report", "fleet", "served", "analysts", "history"),
)
COLUMNS = ("", "Rollcall", "the other", "ratio", "goal", "")


def main(arguments: Sequence[str] | None = None) -> int:
    parser = _parser()
    given = parser.parse_args(arguments)
    if given.list:
        for name in NAMES:
            print(f"{name:8} {summary(name)}")
        return 0
    unknown = sorted(set(given.names) - set(NAMES))
    if unknown:
        parser.error(f"no benchmark {', '.join(unknown)}; there are {', '.join(NAMES)}")
    _forget_environment()
    options = Options(
        sessions=given.sessions,
        changes=given.changes,
        agents=given.agents,
        rows=given.rows,
        failures=given.failures,
        pairs=given.pairs,
        explain=given.explain,
    )
    lines: list[Line] = []
    for name in given.names or NAMES:
        lines += run(name, options)
    missed = [line.what.strip() for line in lines if line.verdict == "MISSED"]
    judged = sum(1 for line in lines if line.goal is not None)
    print(f"{judged - len(missed)} of {judged} goals met" + "".join(f"\n  missed: {what}" for what in missed))
    return 0


def summary(name: str) -> str:
    """The first line of the benchmark's docstring."""
    return (importlib.import_module(f"benchmarks.{name}").__doc__ or "").strip().splitlines()[0]


def run(name: str, options: Options) -> list[Line]:
    """Run one benchmark on a server of its own, and print its table."""
    from benchmarks.server import running_server

    measure: Callable[..., Iterator[Line]] = importlib.import_module(f"benchmarks.{name}").measure
    print(f"{name}: {summary(name)}", flush=True)
    started = time.perf_counter()
    with running_server() as databases:
        print(databases.description(), flush=True)
        lines = []
        for line in measure(databases, options):
            print(f"    {line.what}", file=sys.stderr, flush=True)
            lines.append(line)
    for text in table(lines):
        print(text)
    print(f"({time.perf_counter() - started:.0f} s)\n", flush=True)
    return lines


def table(lines: Sequence[Line]) -> Iterator[str]:
    """Format the lines as aligned text."""
    rows = [COLUMNS] + [
        (
            line.what,
            line.ours,
            line.other,
            line.figure_text,
            line.goal.text if line.goal else "",
            line.verdict,
        )
        for line in lines
    ]
    widths = [max(len(row[column]) for row in rows) for column in range(len(COLUMNS))]
    for row in rows:
        first, *others = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        yield "  ".join([first, *others]).rstrip()


def _parser() -> argparse.ArgumentParser:
    usual = Options()
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Measure Rollcall's speed, as ratios."
    )
    parser.add_argument("names", nargs="*", metavar="NAME", help=f"{', '.join(NAMES)}; all by default")
    parser.add_argument("--list", action="store_true", help="list the benchmarks")
    parser.add_argument(
        "--sessions",
        type=_count,
        default=usual.sessions,
        help="of assess, peers, views, steady, calls, analysts and history, up to 10000000",
    )
    parser.add_argument("--changes", type=_count, default=usual.changes, help="of clean, beside and memory")
    parser.add_argument("--agents", type=_count, default=usual.agents, help="of hot")
    parser.add_argument("--rows", type=_count, default=usual.rows, help="sessions of migrate")
    parser.add_argument("--failures", type=_count, default=usual.failures, help="of report, at most")
    parser.add_argument("--pairs", type=_count, default=usual.pairs, help="how often each pair is measured")
    parser.add_argument("--explain", type=Path, metavar="DIR", help="save the plans of assess here")
    return parser


def _count(text: str) -> int:
    count = int(text)
    if count < 1:
        raise ValueError
    return count


def _forget_environment() -> None:
    """Remove the user's database and settings from the environment."""
    for name in list(os.environ):
        if name.startswith(("PG", "ROLLCALL_", "DBT_", "PREFECT_")) and name != "ROLLCALL_PG_BIN":
            del os.environ[name]
    os.environ["DO_NOT_TRACK"] = "1"
    os.environ["PREFECT_SERVER_ANALYTICS_ENABLED"] = "false"


if __name__ == "__main__":
    sys.exit(main())
