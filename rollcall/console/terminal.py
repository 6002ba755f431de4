"""The terminal: at least 80 columns; colours and symbols degrade to plain text.

One console per process: standard output, or standard error when a program reads the output.
"""

from __future__ import annotations

import contextlib
import logging
import sys
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from rollcall.process.log_format import follow_environment, is_json, log_for_program, show_error
from rollcall.steps.batches import ProgressCallback

__all__ = [
    "OCCURRENCES_SHOWN",
    "SKIPS_SHOWN",
    "announce",
    "confirm",
    "instant",
    "keys_of",
    "labelled",
    "out",
    "print_plain",
    "progress",
    "rest",
    "show_error",
    "step",
    "symbol",
    "table_of",
    "use_stderr",
    "use_stdout",
    "write",
]

WIDTH_WITHOUT_TERMINAL = 80
HOW_TO_EXPLAIN = "`rollcall rules NAME` explains a rule"
OCCURRENCES_SHOWN = 10
SKIPS_SHOWN = 5


def _console(*, stderr: bool) -> Console:
    stream = sys.stderr if stderr else sys.stdout
    width = None if stream.isatty() else WIDTH_WITHOUT_TERMINAL
    return Console(stderr=stderr, width=width, highlight=False, soft_wrap=False, quiet=is_json())


follow_environment()
out = _console(stderr=False)


def use_stderr() -> None:
    """Write all output to standard error; standard output is for a program."""
    global out
    out = _console(stderr=True)


def use_stdout() -> None:
    """Write all output to standard output, the default."""
    global out
    out = _console(stderr=False)


def write(*texts: Any, **options: Any) -> None:
    """Print text with rich markup to the current stream."""
    out.print(*texts, **options)


def symbol(good: str, plain: str) -> str:
    """A symbol, or its plain form where the output cannot encode it."""
    encoding = out.encoding or "ascii"
    try:
        good.encode(encoding)
    except (UnicodeEncodeError, LookupError):
        return plain
    return good


def step(name: str) -> None:
    """Announce a step."""
    log_for_program(name)
    out.print()
    out.rule(f"[bold]{name}", align="left", characters=symbol("─", "-"))


def confirm(question: str) -> bool:
    """Ask for confirmation at the terminal; any answer but yes means no."""
    return out.input(f"[bold]{question}[/] \\[y/N] ").strip().lower() in ("y", "yes")


def announce(text: str) -> None:
    """Write one line at once: what a server does, or has done."""
    if not log_for_program(text):
        print(text, flush=True)


@contextlib.contextmanager
def progress(unit: str, also: ProgressCallback | None = None) -> Iterator[ProgressCallback]:
    """Show a progress bar with rate and remaining time, and the reason for a pause.

    Args:
        also: another callback to pass the progress on to.
    """
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[rate]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=out, transient=True) as bar:
        yield _ProgressBar(bar, unit, also or ProgressCallback())


class _ProgressBar(ProgressCallback):
    def __init__(self, bar: Progress, unit: str, also: ProgressCallback) -> None:
        self._bar = bar
        self._also = also
        self._unit = unit
        self._task = bar.add_task(unit, total=None, rate="")
        self._reason: str | None = None

    def advanced(self, done: int, total: int) -> None:
        speed = self._bar.tasks[self._task].speed
        rate = f"{speed:,.0f}/s" if speed else ""
        self._bar.update(self._task, completed=done, total=total, rate=rate)
        self._also.advanced(done, total)

    def held(self, reason: str | None) -> None:
        if reason == self._reason:
            return
        self._reason = reason
        text = f"waiting: {reason}" if reason else "going on"
        log_for_program(text, logging.WARNING)
        self._bar.console.print(f"[yellow]{escape(text)}", soft_wrap=True)


def labelled(label: str, text: str) -> Table:
    """A label of fixed width beside wrapped text."""
    row = Table.grid(padding=(0, 2, 0, 0))
    row.add_column(width=5, style="dim")
    row.add_column(overflow="fold")
    row.add_row(label, escape(text))
    return row


def rest(lines: Sequence[str]) -> list[str]:
    left = len(lines) - OCCURRENCES_SHOWN
    return [f"and {left} more, see --json"] if left > 0 else []


def print_plain(line: str) -> None:
    """Print text without markup or wrapping, for a program."""
    out.print(line, markup=False, soft_wrap=True)


def table_of(*headings: str, whole: Sequence[str] = ()) -> Table:
    """A table without lines. whole: the headings of columns that are copied, and so not folded."""
    table = Table(box=None, pad_edge=False, header_style="dim", show_header=bool(headings))
    for heading in headings:
        table.add_column(heading, overflow="fold", no_wrap=heading in whole)
    return table


def keys_of(keys: Sequence[str]) -> str:
    return escape(", ".join(keys))


def instant(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
