"""The main job, `rollcall demo`, as a command after the set-up: wall time per step."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Iterator

from benchmarks.measure import Line, at_most, shown_only
from benchmarks.options import Options
from benchmarks.server import ROLLCALL, Databases
from rollcall.servers.postgres import PostgresServer
from rollcall.settings.configuration import PROJECT_DIRECTORY

HEADING = re.compile(r"^(?:──|--)\s*|\s*[─-]+\s*$")


def measure(databases: Databases, options: Options) -> Iterator[Line]:
    state = databases.folder / "demo"
    environment = {**os.environ, "ROLLCALL_STATE_DIR": str(state), "PYTHONUNBUFFERED": "1"}
    started = time.perf_counter()
    steps: list[tuple[str, float]] = [("start", started)]
    try:
        with subprocess.Popen(
            [*ROLLCALL, "demo"],
            env=environment,
            cwd=PROJECT_DIRECTORY,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            output = []
            assert process.stdout is not None
            for text in process.stdout:
                output.append(text)
                if name := _heading(text):
                    steps.append((name, time.perf_counter()))
        ended = time.perf_counter()
    finally:
        PostgresServer(state / "postgres").stop()
    if process.returncode != 0:
        raise RuntimeError(f"rollcall demo ended with {process.returncode}: {''.join(output[-20:])}")
    for (name, begin), (_, end) in zip(steps, [*steps[1:], ("", ended)], strict=True):
        yield shown_only(f"  {name.lower()}", end - begin, f"{end - begin:.1f} s")
    total = ended - started
    yield shown_only("rollcall demo", total, f"{total:.1f} s", at_most(25, " s"))


def _heading(text: str) -> str | None:
    """The name of the step that begins with this line, or None."""
    text = text.strip()
    if not text.startswith(("──", "--")) and not text.endswith(("────", "----")):
        return None
    return HEADING.sub("", text).strip() or None
