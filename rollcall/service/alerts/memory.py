"""The memory of the alerts: the ledger, or a file where the ledger cannot be written.

The file is in the state directory. It remembers for the processes that share this directory what a role
without the rights, a replica, or a database that cannot be reached keeps the ledger from remembering. The
next run that can write the ledger moves the file's states into it.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from rollcall.database.connections import Connection, fetch
from rollcall.database.conninfo import read_conninfo
from rollcall.database.session_settings import set_for_transaction
from rollcall.errors import ConfigurationError, RollcallError
from rollcall.ledger.ownership import lock_ledger, refuse_foreign_ledger
from rollcall.ledger.runs import has_ledger
from rollcall.process.files import make_private_directory, replaced_file
from rollcall.servers.file_lock import locked
from rollcall.service.alerts.policy import Decision
from rollcall.service.alerts.values import State
from rollcall.settings.configuration import LIBPQ_DATABASE, Settings
from rollcall.workspace import Workspace

__all__ = ["FileMemory", "LedgerMemory", "Memory", "newest", "read_states"]

LOCK_KEYS = (0x726F6C6C, 0x616C7274)  # "roll", "alrt"
LONGEST_WAIT = "3s"  # for another run, which decides within milliseconds
PLACE = ("host", "hostaddr", "port", "dbname", "service")
Decide = Callable[[Mapping[str, State]], Decision]


class Memory(Protocol):
    """Remembers what was told. One run at a time decides."""

    def decide(self, decide: Decide) -> Decision:
        """Decide with the remembered states, and remember the new ones, all or nothing."""

    def settle(self, sent: Sequence[State], failed: Mapping[str, Iterable[str]]) -> None:
        """Remember which channels have not got the messages. failed: their names, by key."""


class LedgerMemory:
    """The memory in `rollcall_ops.alerts`.

    Args:
        file: what another run of this machine had to remember in a file.
    """

    def __init__(self, workspace: Workspace, file: FileMemory) -> None:
        self._workspace = workspace
        self._file = file

    def decide(self, decide: Decide) -> Decision:
        project = self._workspace.project
        read, record = project.sql("alert_states"), project.sql("record_alerts")
        moved = self._file.states()
        with self._workspace.database.transaction() as connection:
            self._take_turn(connection)
            states = {row["key"]: State.from_json(row) for row in fetch(connection, read)}
            newer = {key: state for key, state in moved.items() if _is_newer(state, states.get(key))}
            decision = decide({**states, **newer})
            written = {**newer, **{state.key: state for state in decision.states}}
            fetch(connection, record, [_json(written.values())])
        self._file.forget(moved)
        return decision

    def settle(self, sent: Sequence[State], failed: Mapping[str, Iterable[str]]) -> None:
        results = [
            {
                "key": state.key,
                "claimed_until": state.claimed_until.isoformat(),
                "undelivered": sorted(failed.get(state.key, ())),
            }
            for state in sent
            if state.claimed_until
        ]
        project = self._workspace.project
        with self._workspace.database.transaction() as connection:
            self._take_turn(connection)
            fetch(connection, project.sql("record_delivery"), [json.dumps(results)])

    def _take_turn(self, connection: Connection) -> None:
        """Wait until no other run reads or writes the states, for the rest of the transaction."""
        project = self._workspace.project
        set_for_transaction(connection, {"lock_timeout": LONGEST_WAIT})
        fetch(connection, project.sql("lock_alerts"), LOCK_KEYS)
        lock_ledger(connection, project)
        refuse_foreign_ledger(connection, self._workspace)


class FileMemory:
    """The memory in a file of the state directory, one for each database.

    Args:
        settings: the folder, and which database it is; no secret is used.
    """

    def __init__(self, settings: Settings) -> None:
        parameters = read_conninfo(settings.conninfo)
        place = [str(parameters.get(name) or "") for name in PLACE]
        place += [os.environ.get(name, "") for name in (*LIBPQ_DATABASE, "PGPORT")]
        digest = hashlib.sha256(json.dumps(place).encode()).hexdigest()[:16]
        self.path = settings.state_directory / "alerts" / f"{digest}.json"

    def states(self) -> dict[str, State]:
        """What is remembered; nothing where the file is missing or damaged."""
        try:
            documents = json.loads(self.path.read_text(encoding="utf-8"))
            return {document["key"]: State.from_json(document) for document in documents}
        except (OSError, ValueError, KeyError, TypeError):
            return {}

    def decide(self, decide: Decide) -> Decision:
        """Decide with the states of the file, and write the new ones.

        Raises:
            ConfigurationError: the file cannot be written.
        """
        self._make_folder()
        with locked(self._lock):
            states = self.states()
            decision = decide(states)
            self._write({**states, **{state.key: state for state in decision.states}})
        return decision

    def settle(self, sent: Sequence[State], failed: Mapping[str, Iterable[str]]) -> None:
        with locked(self._lock):
            states = self.states()
            for state in sent:
                now = states.get(state.key)
                if now is not None and now.claimed_until == state.claimed_until:
                    undelivered = tuple(sorted(failed.get(state.key, ())))
                    states[state.key] = replace(now, undelivered=undelivered, claimed_until=None)
            self._write(states)

    def forget(self, moved: Mapping[str, State]) -> None:
        """Remove the file, if it is still as it was read; what stays is older than the ledger."""
        if moved:
            with contextlib.suppress(OSError, RollcallError), locked(self._lock):
                if self.states() == moved:
                    self.path.unlink(missing_ok=True)

    @property
    def _lock(self) -> Path:
        return self.path.with_suffix(".lock")

    def _make_folder(self) -> None:
        try:
            make_private_directory(self.path.parent)
        except OSError as error:
            raise ConfigurationError(
                f"the state of the alerts cannot be kept in {self.path.parent}: {error.strerror}",
                "set ROLLCALL_STATE_DIR to a folder of yours",
            ) from None

    def _write(self, states: Mapping[str, State]) -> None:
        with replaced_file(self.path) as file:
            file.write(_json(states.values()).encode())


def read_states(workspace: Workspace) -> list[State]:
    """The state of every alert, for a person. Reads only.

    Raises:
        psycopg.Error: the role may not read the ledger.
    """
    file = FileMemory(workspace.settings)
    states: dict[str, State] = {}
    with workspace.database.snapshot() as snapshot:
        if has_ledger(snapshot, workspace.project, "alerts"):
            rows = snapshot.rows(workspace.project.sql("alert_states"))
            states = {row["key"]: State.from_json(row) for row in rows}
    return sorted(newest(states.values(), file.states().values()).values(), key=lambda state: state.key)


def newest(*memories: Iterable[State]) -> dict[str, State]:
    """Of each alert the state that was seen last, by key."""
    states: dict[str, State] = {}
    for state in itertools.chain(*memories):
        if _is_newer(state, states.get(state.key)):
            states[state.key] = state
    return states


def _is_newer(state: State, other: State | None) -> bool:
    return other is None or state.last_seen > other.last_seen


def _json(states: Iterable[State]) -> str:
    return json.dumps([state.to_json() for state in states], default=_text)


def _text(value: Any) -> str:
    return value.isoformat() if isinstance(value, datetime) else str(value)
