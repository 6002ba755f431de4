"""The log: text for people, or one JSON object per line on standard error.

A module logs with the standard library, and gives what a program reads in `extra`: `run_id`, `database`,
`command`, `exit_code`, `seconds`. The format is that of the environment variable ROLLCALL_LOG_FORMAT, so that
the processes which a command starts log alike; the option `--log-format` sets it.
"""

from __future__ import annotations

import json
import logging
import os
import sys
from datetime import UTC, datetime
from enum import StrEnum
from typing import Any

__all__ = [
    "LOG_FORMAT",
    "LogFormat",
    "follow_environment",
    "is_json",
    "log",
    "log_for_program",
    "show_error",
    "use",
]

LOG_FORMAT = "ROLLCALL_LOG_FORMAT"
LASTING = ("command", "database", "run_id")  # known from one record on, and part of all later ones
MORE = ("planned", "changed", "skipped", "verdict", "exit_code", "seconds")

log = logging.getLogger("rollcall")


class LogFormat(StrEnum):
    """How a command tells what it does."""

    TEXT = "text"
    JSON = "json"


class _JsonLines(logging.Handler):
    """Writes each record as a JSON object; `time` is in UTC, and the fields of `extra` are part of it."""

    def __init__(self) -> None:
        super().__init__(logging.INFO)
        self._known: dict[str, Any] = {}

    def emit(self, record: logging.LogRecord) -> None:
        given = record.__dict__
        self._known |= {name: given[name] for name in LASTING if name in given}
        document = {
            "time": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
            **self._known,
            **{name: given[name] for name in MORE if name in given},
        }
        try:
            sys.stderr.write(json.dumps(document, ensure_ascii=True, default=str) + "\n")
            sys.stderr.flush()
        except (OSError, ValueError):  # the reader of the log has gone, and the work goes on
            return


def use(log_format: LogFormat) -> None:
    """Log in this format, in this process and in those that it starts."""
    os.environ[LOG_FORMAT] = log_format.value
    follow_environment()


def is_json() -> bool:
    """Whether the log is for a program; then no text for a person is written."""
    return os.environ.get(LOG_FORMAT) == LogFormat.JSON


def log_for_program(text: str, level: int = logging.INFO) -> bool:
    """Log a text where the log is for a program; false: it is for a person, and nothing was written."""
    if is_json():
        log.log(level, text)
    return is_json()


def show_error(text: str) -> None:
    """Write one line to standard error."""
    if not log_for_program(text, logging.ERROR):
        print(f"rollcall: {text}", file=sys.stderr)


def follow_environment() -> None:
    """Log to standard error in JSON where the environment says so."""
    root = logging.getLogger()
    if not is_json() or any(isinstance(handler, _JsonLines) for handler in log.handlers):
        return
    handler = _JsonLines()
    log.setLevel(logging.INFO)
    log.propagate = False
    for logger in (log, root):  # of the libraries come warnings
        logger.addHandler(handler)
    logging.captureWarnings(capture=True)
