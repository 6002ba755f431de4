"""Judge the databases of a fleet: one process for each, some at a time, with a deadline and retries.

The processes run the command line, so a database that is down, slow or hostile stops only its own process.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from rollcall.errors import ConfigurationError
from rollcall.process.log_format import LOG_FORMAT
from rollcall.service.fleet.entries import Entry, Fleet, host_of
from rollcall.settings.configuration import DATABASE_URL, STATE, VARS
from rollcall.settings.preset import PRESET
from rollcall.settings.user_file import CONFIG

__all__ = ["ASSESS", "CLEAN", "Answer", "judge"]

ASSESS = ("assess", "--json")
CLEAN = ("clean", "--unattended", "--json")

POLL_SECONDS = 0.05
GRACE_SECONDS = 10.0  # between the request to end and the kill
RETRIED = (1, 3)  # not evaluated, or another run is at work; a process that was killed has a negative code


@dataclass(frozen=True)
class Answer:
    """What the last process of a command printed.

    Attributes:
        exit_code: of the command; None where the deadline ended it or it was never started.
        document: its JSON; None where there is none.
        problem: why there is no result, in one line; empty where there is one.
    """

    exit_code: int | None
    document: Mapping[str, Any] | None
    problem: str = ""


@dataclass
class _Work:
    """An entry on its way through the commands.

    Attributes:
        answers: of the commands that are done, by the first word of the command.
        not_before: the instant of the monotonic clock at which it may start.
        began: the instant of its first start.
    """

    entry: Entry
    url: str
    answers: dict[str, Answer] = field(default_factory=dict)
    attempts: int = 0
    not_before: float = 0.0
    began: float | None = None

    @property
    def host(self) -> str:
        return host_of(self.url)


@dataclass
class _Process:
    work: _Work
    command: Sequence[str]
    popen: subprocess.Popen[bytes]
    output: Path
    messages: Path
    stopped_at: float | None = None


def judge(
    fleet: Fleet,
    commands: Sequence[Sequence[str]],
    state_directory: Path,
    environment: Mapping[str, str] = os.environ,
    whole: Fleet | None = None,
    done: Callable[[Entry, Mapping[str, Answer], int, float], None] = lambda *_: None,
) -> None:
    """Run the commands on every database, in turn for each.

    Args:
        commands: the arguments of `rollcall` for each command; the last one judges.
        state_directory: the common state folder; databases that are alike share a compilation.
        environment: has what the entries refer to.
        whole: the fleet of which this one is a part: no process gets the URLs of its other databases.
        done: is called once for each database with the answer of each command that ran, by its first
            word, with the number of attempts, and the seconds that it took.
    """
    waiting: list[_Work] = []
    for entry in fleet.databases:
        try:
            waiting.append(_Work(entry, entry.url.resolve(fleet.folder, environment)))
        except ConfigurationError as error:
            done(entry, {commands[-1][0]: Answer(None, None, error.text)}, 0, 0.0)
    inherited = _inherited(whole or fleet, environment)
    running: list[_Process] = []
    with tempfile.TemporaryDirectory(prefix="rollcall-fleet-") as scratch:
        try:
            while waiting or running:
                for work in _startable(fleet, waiting, running):
                    waiting.remove(work)
                    running.append(_start(fleet, work, commands, state_directory, inherited, Path(scratch)))
                for process in _ended(fleet, running):
                    running.remove(process)
                    if _is_over(fleet, process, commands):
                        work = process.work
                        taken = time.monotonic() - (work.began or 0.0)
                        done(work.entry, work.answers, work.attempts, taken)
                    else:
                        waiting.append(process.work)
                time.sleep(POLL_SECONDS)
        finally:
            _kill(running)


def _inherited(fleet: Fleet, environment: Mapping[str, str]) -> dict[str, str]:
    """The environment of every process: neither Rollcall's own variables nor the URLs of other databases."""
    secrets = {entry.url.env for entry in fleet.databases}
    return {
        name: value
        for name, value in environment.items()
        if name not in secrets and not name.startswith("ROLLCALL_")
    }


def _startable(fleet: Fleet, waiting: Sequence[_Work], running: Sequence[_Process]) -> Iterator[_Work]:
    """The entries that may start now, within the limits."""
    free = fleet.at_once - len(running)
    hosts = Counter(process.work.host for process in running)
    now = time.monotonic()
    for work in list(waiting):
        if free <= 0:
            return
        if work.not_before <= now and hosts[work.host] < fleet.at_once_per_host:
            hosts[work.host] += 1
            free -= 1
            yield work


def _start(
    fleet: Fleet,
    work: _Work,
    commands: Sequence[Sequence[str]],
    state_directory: Path,
    inherited: Mapping[str, str],
    scratch: Path,
) -> _Process:
    entry = work.entry
    environment = {**inherited, DATABASE_URL: work.url, STATE: str(state_directory)}
    environment.pop(LOG_FORMAT, None)  # the messages are read here
    if entry.config is not None:
        environment[CONFIG] = str(fleet.folder / entry.config)
    if entry.preset is not None:
        environment[PRESET] = entry.preset
    if entry.variables:
        environment[VARS] = json.dumps(entry.variables)
    command = next(command for command in commands if command[0] not in work.answers)
    work.attempts += 0 if work.answers else 1
    work.began = work.began or time.monotonic()
    output, messages = scratch / f"{entry.name}.out", scratch / f"{entry.name}.err"
    with output.open("wb") as out, messages.open("wb") as err:
        popen = subprocess.Popen(
            [sys.executable, "-m", "rollcall", *command],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
            cwd=fleet.folder,
            env=environment,
            start_new_session=True,
        )
    return _Process(work, command, popen, output, messages)


def _ended(fleet: Fleet, running: Sequence[_Process]) -> Iterator[_Process]:
    """The processes that have ended; one beyond its deadline is asked to end, and killed in the end."""
    now = time.monotonic()
    for process in list(running):
        if process.popen.poll() is not None:
            yield process
        elif process.stopped_at is not None:
            if now - process.stopped_at > GRACE_SECONDS:
                _signal(process, signal.SIGKILL)
        elif now - (process.work.began or now) > fleet.deadline_of(process.work.entry):
            process.stopped_at = now
            _signal(process, signal.SIGTERM)


def _is_over(fleet: Fleet, process: _Process, commands: Sequence[Sequence[str]]) -> bool:
    """Note the answer of a process. Whether no command is left for its database."""
    work, name = process.work, process.command[0]
    answer = _answer(process)
    if process.stopped_at is not None:
        seconds = fleet.deadline_of(work.entry)
        answer = Answer(None, None, f"It took longer than its deadline of {seconds} s.")
    work.answers[name] = answer
    is_retried = answer.exit_code is not None and (answer.exit_code in RETRIED or answer.exit_code < 0)
    if is_retried and work.attempts <= fleet.retries_of(work.entry):
        work.answers.clear()
        work.not_before = time.monotonic() + fleet.retry_pause_seconds
        return False
    is_last = name == commands[-1][0]
    return is_last or answer.exit_code is None


def _answer(process: _Process) -> Answer:
    """Read what an ended process printed."""
    exit_code = process.popen.returncode
    try:
        document = json.loads(process.output.read_bytes())
    except ValueError:
        document = None
    if not isinstance(document, dict):
        said = process.messages.read_text("utf-8", "replace").strip()
        last = said.splitlines()[-1:] or ["It ended without a word."]
        return Answer(exit_code, None, last[0].removeprefix("rollcall: "))
    if "error" in document:
        return Answer(exit_code, None, str(document["error"]))
    return Answer(exit_code, document)


def _signal(process: _Process, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.popen.pid, number)


def _kill(running: Sequence[_Process]) -> None:
    """End the processes that are left, because the fleet is interrupted."""
    for process in running:
        _signal(process, signal.SIGTERM)
    for process in running:
        try:
            process.popen.wait(GRACE_SECONDS)
        except subprocess.TimeoutExpired:
            _signal(process, signal.SIGKILL)
            process.popen.wait()
