"""Doctor: what would go wrong on this database, found before anything is tried. Changes nothing.

The questions are the models of `models/doctor/`; each gives rows of a finding's name, what was found
and a statement that mends it. What a finding means and how bad it is, is here. Everything is read in
one read-only snapshot; what our role may not see is reported, not guessed.
"""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg

from rollcall.database import Connection, Row, Snapshot, deadline, fetch, reason_of
from rollcall.errors import ConnectionFailed, Refused
from rollcall.own_objects import acting_roles
from rollcall.pooler_advice import ADVICE_BY_HOST, advice_for
from rollcall.prefect_server import answers_without_authentication
from rollcall.results import Severity
from rollcall.workspace import Workspace

__all__ = ["KINDS", "Diagnosis", "Finding", "Grant", "Kind", "examine", "grants", "refuse_pooler"]

NEWEST_TESTED_VERSION = 18

DEFAULT_ROLES = {"read": "rollcall_read", "migrate": "rollcall_migrate", "clean": "rollcall_clean"}
POOLER_ROUNDS = 5
POOLER_SECONDS = 3.0


@dataclass(frozen=True)
class Kind:
    """What a finding means, whatever the database.

    Attributes:
        consequence: what would go wrong.
        remedy: what to do.
    """

    severity: Severity
    consequence: str
    remedy: str


@dataclass(frozen=True)
class Finding:
    """Something on this database that a person should know.

    Attributes:
        found: one line per occurrence.
        statements: what would mend it, to copy; none where a person must think first.
    """

    name: str
    found: tuple[str, ...]
    statements: tuple[str, ...] = ()

    @property
    def kind(self) -> Kind:
        return KINDS[self.name]

    @property
    def is_blocking(self) -> bool:
        return self.kind.severity is Severity.BLOCKING

    def to_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "severity": self.kind.severity.value,
            "found": list(self.found),
            "consequence": self.kind.consequence,
            "remedy": self.kind.remedy,
            "statements": list(self.statements),
        }


@dataclass(frozen=True)
class Diagnosis:
    """All findings on one database, the worst first."""

    database: str
    server_version: str
    findings: tuple[Finding, ...]

    @property
    def is_blocked(self) -> bool:
        """Whether a run must not go on."""
        return any(finding.is_blocking for finding in self.findings)

    def to_json(self) -> dict[str, Any]:
        return {
            "database": self.database,
            "server_version": self.server_version,
            "blocked": self.is_blocked,
            "findings": [finding.to_json() for finding in self.findings],
        }


@dataclass(frozen=True)
class Grant:
    """One statement of the set that makes our roles. section: what it is for."""

    section: str
    statement: str

    def to_json(self) -> dict[str, str]:
        return {"section": self.section, "statement": self.statement}


def examine(workspace: Workspace, clock: Callable[[], float] = time.time) -> Diagnosis:
    """Look at everything that could get in the way of a run.

    Args:
        clock: this machine's, seconds since 1970.

    Raises:
        ConfigurationError: a configured table or column does not exist.
    """
    examination = _Examination(workspace)
    variables = workspace.settings.variables
    lag_seconds = variables["replica_lag_max_seconds"]
    with workspace.database.snapshot() as snapshot:
        examination.snapshot = snapshot
        for name in ("lock_timeout", "statement_timeout"):
            value = f"{max(1, round(1000 * variables[f'doctor_{name}_seconds']))}ms"
            fetch(snapshot.connection, "select set_config($1, $2, true)", [name, value])
        roles = [workspace.settings.migrate_role, workspace.settings.clean_role]
        examination.ask(
            "doctor_server",
            NEWEST_TESTED_VERSION,
            lag_seconds,
            variables["doctor_shortest_timeout_seconds"],
            variables["doctor_old_transaction_id"],
        )
        examination.ask("doctor_roles", *roles)
        examination.ask("doctor_privileges", *roles)
        examination.ask("doctor_tables", *roles)
        examination.ask("update_obstacles")
        examination.ask("doctor_triggers")
        examination.ask("doctor_views_and_rules")
        examination.ask("ledger_writers", acting_roles(workspace.settings), workspace.settings.clean_role)
        examination.ask(
            "doctor_replication",
            lag_seconds,
            variables["doctor_lag_megabytes"] * 2**20,
            variables["doctor_old_snapshot_transactions"],
        )
        examination.ask("doctor_transactions", variables["doctor_long_transaction_seconds"])
        examination.ask("doctor_indexes")
        examination.ask(
            "doctor_application_clock",
            60 * variables["presence_minutes"],
            60 * variables["doctor_idle_minutes"],
        )
        _compare_clocks(examination, clock)
        _compare_disk(examination)
    pooler = _pooler(workspace)
    if pooler is not None:
        examination.note("pooler" if pooler.is_per_transaction else "session_pooler", pooler.description)
    _try_prefect_api(examination)
    return Diagnosis(
        database=workspace.database.name,
        server_version=workspace.database.server_version,
        findings=examination.findings(),
    )


def grants(workspace: Workspace) -> tuple[Grant, ...]:
    """The statements that make a read-only, a migrate and a clean-up role, in order."""
    settings = workspace.settings
    names = [
        DEFAULT_ROLES["read"],
        settings.migrate_role or DEFAULT_ROLES["migrate"],
        settings.clean_role or DEFAULT_ROLES["clean"],
    ]
    with workspace.database.snapshot() as snapshot:
        rows = snapshot.rows(workspace.project.sql("doctor_grants"), names)
    return tuple(Grant(row["section"], row["statement"]) for row in rows)


def refuse_pooler(workspace: Workspace) -> None:
    """Make sure that our connections keep their server process, which the lease is bound to.

    Raises:
        Refused: a pooler changes the server process from one transaction to the next.
    """
    pooler = _pooler(workspace)
    if pooler is not None and pooler.is_per_transaction:
        raise Refused(
            f"the connection goes through a pooler in transaction mode: {pooler.description}",
            "Nothing was changed, and assess, plan and verify work through it. The others need another "
            f"address. {advice_for(workspace.database.identity[0])}",
        )


@dataclass
class _Examination:
    """The findings so far, by name."""

    workspace: Workspace
    snapshot: Snapshot = field(init=False)
    _found: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    _statements: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def ask(self, model: str, *parameters: Any) -> None:
        """Note every row of a model as a finding."""
        for row in self.read(model, *parameters):
            self.note(row["finding"], row["found"], row["statement"])

    def read(self, model: str, *parameters: Any) -> list[Row]:
        """The rows of a model; none, and a finding, where our role may not see them."""
        try:
            with self.snapshot.connection.transaction():
                return self.snapshot.rows(self.workspace.project.sql(model), parameters)
        except psycopg.Error as error:
            if self.snapshot.connection.broken:
                raise
            self.note("not_seen", f"{model.removeprefix('doctor_')}: {reason_of(error)}")
            return []

    def note(self, finding: str, found: str, statement: str | None = None) -> None:
        self._found[finding].append(found)
        if statement is not None and statement not in self._statements[finding]:
            self._statements[finding].append(statement)

    def findings(self) -> tuple[Finding, ...]:
        worst_first = list(Severity)
        names = sorted(self._found, key=lambda name: (worst_first.index(KINDS[name].severity), name))
        return tuple(Finding(name, tuple(self._found[name]), tuple(self._statements[name])) for name in names)


def _try_prefect_api(examination: _Examination) -> None:
    """Whether the Prefect server that the environment names answers a request without a credential."""
    url = os.environ.get("PREFECT_API_URL")
    if url and answers_without_authentication(url):
        examination.note("open_prefect_api", "PREFECT_API_URL names a server that answers without a password")


def _compare_clocks(examination: _Examination, clock: Callable[[], float]) -> None:
    """The server read its clock at some moment between our two readings: no more is known."""
    asked = clock()
    rows = examination.read("doctor_clock")
    answered = clock()
    if not rows:
        return
    server = rows[0]["server_epoch"]
    difference = max(asked - server, server - answered, 0.0)
    if difference > examination.workspace.settings.variables["doctor_clock_difference_seconds"]:
        direction = "behind" if server < asked else "ahead of"
        examination.note(
            "clock_difference",
            f"the server's clock is {difference:,.1f} seconds {direction} this machine's",
        )


def _compare_disk(examination: _Examination) -> None:
    bytes_per_row = examination.workspace.settings.variables["doctor_index_bytes_per_row"]
    for row in examination.read("doctor_disk", bytes_per_row):
        if not row["indexes"]:
            return
        needed = (
            f"{row['indexes']} indexes are to be built; they need {_megabytes(row['needed_bytes'])} at most"
        )
        free = _free_bytes(examination.snapshot.connection, row["data_directory"])
        if free is None:
            examination.note(
                "index_disk_space", f"{needed}; what is free on the server cannot be seen from here"
            )
        elif free < row["needed_bytes"]:
            examination.note("low_disk_space", f"{needed}, and {_megabytes(free)} are free")
        else:
            examination.note("index_disk_space", f"{needed}, and {_megabytes(free)} are free")


def _free_bytes(connection: Connection, directory: str | None) -> int | None:
    """What is free where the data is, if the server is on this machine and the folder is its own."""
    host = connection.info.host
    is_local = host.startswith("/") or host in ("", "localhost", "127.0.0.1", "::1")
    if directory is None or not is_local:
        return None
    try:
        if not Path(directory, "PG_VERSION").exists():
            return None
        return shutil.disk_usage(directory).free
    except OSError:
        return None


def _megabytes(count: int) -> str:
    return f"{count / 2**20:,.0f} MB"


@dataclass(frozen=True)
class _Pooler:
    is_per_transaction: bool
    description: str


def _pooler(workspace: Workspace) -> _Pooler | None:
    """Whether something between us and the server deals out its processes.

    A pooler cannot know the server process when it greets us, so it names another than the one that
    answers. In transaction mode an idle connection of ours loses its process to a second one.
    """
    pid_of = workspace.process_id_of
    workspace.project.sql("server_process")  # compiled now: below, every answer is waited for
    with (
        contextlib.closing(workspace.database.connect_unset()) as first,
        contextlib.closing(workspace.database.connect_unset()) as second,
    ):
        greeted = first.info.backend_pid
        with deadline(POOLER_SECONDS, first, second) as expired:
            seen: set[int] = set()
            try:
                seen.add(pid_of(first))
                for _ in range(POOLER_ROUNDS):
                    with second.transaction():
                        shared = pid_of(second) in seen
                        seen.add(pid_of(first))
                    if shared or len(seen) > 1:
                        return _Pooler(True, "the server process changes between two transactions")
            except psycopg.Error as error:
                if greeted not in seen and (expired or _forbids_transactions(error)):
                    return _Pooler(True, "two connections cannot have a server process each")
                raise ConnectionFailed(
                    f"the server did not answer in {POOLER_SECONDS:g} s: {reason_of(error)}", "try again"
                ) from None
        if greeted in seen:
            return None
        return _Pooler(
            False, "the server process is another than the one that greeted us, and stays the same"
        )


def _forbids_transactions(error: psycopg.Error) -> bool:
    """What a pooler in statement mode says."""
    return "transaction blocks not allowed" in str(error)


def blocking(consequence: str, remedy: str) -> Kind:
    return Kind(Severity.BLOCKING, consequence, remedy)


def warning(consequence: str, remedy: str) -> Kind:
    return Kind(Severity.WARNING, consequence, remedy)


def info(consequence: str, remedy: str) -> Kind:
    return Kind(Severity.INFO, consequence, remedy)


KINDS: dict[str, Kind] = {
    # --- the connection and the server ------------------------------------------------------------
    "pooler": blocking(
        "The lease is lost at the end of each transaction, and settings of a concurrent index build "
        "reach other clients: migrate, clean and run refuse to start. Assess, plan and verify work.",
        f"Connect to another address. {ADVICE_BY_HOST}",
    ),
    "session_pooler": info(
        "A pooler or proxy stands in between; each connection keeps its server process, so all works.",
        "Nothing, as long as it stays in session mode.",
    ),
    "open_prefect_api": warning(
        "Whatever reaches that server's port can start a clean-up, and change which code a deployment runs "
        "as the user who holds the database's password.",
        "Set PREFECT_SERVER_API_AUTH_STRING there and PREFECT_API_AUTH_STRING here (docs/prefect.md).",
    ),
    "untested_server_version": warning(
        f"Rollcall is tested on PostgreSQL 14 to {NEWEST_TESTED_VERSION}; a newer one may refuse a "
        "statement or read a catalogue differently.",
        "Look for a newer Rollcall, and try it on a copy first.",
    ),
    "standby": blocking(
        "Nothing can be written to a standby: migrate, clean and run cannot work. Assess, plan and "
        "doctor do.",
        "Name the primary for everything that changes something.",
    ),
    "standby_lag": warning(
        "What is judged here is old: agents who were active since then look idle.",
        "Wait until it has caught up, or assess on the primary.",
    ),
    "read_only_by_default": blocking(
        "Every write of migrate and clean is refused by the server.",
        "Use a login role without this setting, or reset it.",
    ),
    "short_timeout": warning(
        "A step on a large table, or a lease that waits, is ended by the server half-way; it stays "
        "safe, but it does not finish.",
        "Switch the time-out off for this login role; Rollcall sets its own, per transaction.",
    ),
    "wraparound_risk": warning(
        "Before its transaction ids are used up PostgreSQL vacuums aggressively, which the "
        "migration has to wait for, and in the end it refuses every write.",
        "Find what holds vacuum back (old transactions, prepared ones, slots), then vacuum.",
    ),
    # --- roles and privileges ----------------------------------------------------------------------
    "role_not_usable": blocking(
        "The step that takes this role fails at its first statement.",
        "Create the role or grant it, or unset the variable.",
    ),
    "no_clean_role": info(
        "Clean works with all rights of the login role. With a role of its own it cannot delete or "
        "touch any other column, whatever happens.",
        "`rollcall doctor --grants` prints the statements; then set ROLLCALL_CLEAN_ROLE.",
    ),
    "clean_role_too_strong": warning(
        "That nothing but the three planned columns can change is no longer proven by privileges.",
        "Revoke what it does not need, or take a role of its own (`rollcall doctor --grants`).",
    ),
    "ledger_writers": warning(
        "A role beside Rollcall's can alter the record of runs and changes, the flags that route calls, or "
        "what is in Rollcall's schemas. `verify` and `undo` notice an altered image, unless the role alters "
        "the digests as well.",
        "Revoke what the role does not need.",
    ),
    "missing_select_privilege": blocking(
        "Assess cannot read all rows, so it judges none: the verdict is NOT_READY.",
        "Let the owner of the tables grant it.",
    ),
    "missing_migrate_privilege": warning(
        "Migrate fails at the statement that needs it; assess works.",
        "Let the owner grant it, or set ROLLCALL_MIGRATE_ROLE to a role that has it.",
    ),
    "missing_clean_privilege": warning(
        "Clean fails at its first batch and changes nothing; assess works.",
        "Let the owner grant it, or set ROLLCALL_CLEAN_ROLE to a role that has it.",
    ),
    "missing_record_privilege": warning(
        "Runs cannot be recorded, so migrate and clean do not start, and history shows nothing.",
        "Let the owner of the schemas rollcall and rollcall_ops grant it.",
    ),
    # --- the tables --------------------------------------------------------------------------------
    "hidden_rows": blocking(
        "Rows that a policy hides are neither judged nor cleaned, and nobody would notice: the verdict "
        "is NOT_READY.",
        "Use a role that row-level security does not bind.",
    ),
    "row_level_security": info(
        "Another role than ours may see only some of the rows, and then judges only those.",
        "Nothing for our roles; think of it before you change them.",
    ),
    "missing_primary_key": blocking(
        "Without a key no row can be named, planned or restored: the verdict is NOT_READY.",
        "Add a primary key to the table.",
    ),
    "agents_key_not_unique": blocking(
        "An agent that is there twice has each session judged twice; and to look an agent up, as we do "
        "for each open session, reads the whole table. The verdict is NOT_READY.",
        "Set agents_id_column to the key, or create a unique index on it.",
    ),
    "sessions_key_not_unique": blocking(
        "A key that names several sessions has each of them planned and changed for the others: the verdict "
        "is NOT_READY.",
        "Set sessions_id_column to the key, or create a unique index on it.",
    ),
    "calls_key_not_unique": blocking(
        "A session whose reference names several calls is judged and planned several times: the verdict is "
        "NOT_READY.",
        "Set calls_id_column to the key, or create a unique index on it.",
    ),
    "child_table": blocking(
        "Its rows are read and changed with those of its parent, and no index keeps a key of one out of the "
        "other: the verdict is NOT_READY.",
        "Make it a partition, or end the inheritance.",
    ),
    "status_not_in_enum": blocking(
        "The database refuses the status that clean has to write, for each row.",
        "Set closed_status, available_status and break_status to labels that the enum has.",
    ),
    "server_time_zone": warning(
        "Rows that the server fills with its own clock get the local time of the connection, while "
        "the rest is written in app_time_zone: agents look idle, or active in the future.",
        "Let the application set the zone of its connections, or the database.",
    ),
    "implausible_time_zone": warning(
        "Idle times are wrong by hours: everybody looks abandoned, or nobody.",
        "Set the var app_time_zone to the zone in which the application writes, or mend its clock.",
    ),
    "clock_difference": warning(
        "Run ids, schedules and the age of a plan follow this machine's clock, everything else the "
        "server's: they do not fit together.",
        "Synchronise both clocks (NTP).",
    ),
    "session_update_trigger": warning(
        "It fires for each row that clean or undo changes: it may refuse the row, change more of it "
        "than was planned (verify shows that), or tell other systems.",
        "Read its function; a run reports the rows that it refuses.",
    ),
    "other_trigger": info(
        "It fires for what the application does, not for what clean changes.",
        "Nothing.",
    ),
    "event_trigger": warning(
        "It fires for the statements of migrate and may refuse them or do more.",
        "Read its function before you migrate.",
    ),
    "session_update_rule": blocking(
        "A rule rewrites every UPDATE of the table; PostgreSQL refuses ours, or does something else.",
        "Replace the rule by a trigger.",
    ),
    "other_rule": info("It rewrites what the application does; no statement of ours.", "Nothing."),
    "dependent_view": info(
        "Migrate only adds, so the view stays as it is; the application's own ALTER TYPE or DROP "
        "COLUMN fails because of it.",
        "Nothing for Rollcall; its own views go with `rollcall detach`.",
    ),
    # --- replication -------------------------------------------------------------------------------
    "missing_replica_identity": blocking(
        "PostgreSQL refuses every UPDATE of the table, clean's and the application's.",
        "Add a primary key, or give the table a replica identity.",
    ),
    "published_table": info(
        "Every change of clean is replicated to the subscribers.",
        "Nothing, unless a subscriber must not follow.",
    ),
    "subscriber_without_columns": warning(
        "Once migrate has added the columns, replication to a subscriber without them stops, and its "
        "slot keeps WAL until the disk is full.",
        "Add the columns on each subscriber first (`rollcall plan` shows the statements).",
    ),
    "publication_of_all_tables": warning(
        "The tables of our ledger are published too: replication to a subscriber without them stops.",
        "Make the schema rollcall_ops on each subscriber first, or publish the tables by name.",
    ),
    "subscribed_table": warning(
        "The rows come from another server: what clean changes here is overwritten there, or "
        "conflicts with it.",
        "Run Rollcall on the publisher.",
    ),
    "replica_lag": warning(
        "A clean-up adds to what the replica has to catch up with; whoever reads there sees old rows.",
        "Wait until it has caught up.",
    ),
    "replica_snapshot": warning(
        "A query on the replica keeps dead rows here (hot_standby_feedback), so heartbeats are no longer "
        "heap-only updates.",
        "Let the query end, or end it on the replica.",
    ),
    "synchronous_replica": info(
        "Each batch of clean waits for the replica's answer, as every commit does.",
        "Nothing, unless the replica is slow.",
    ),
    "idle_replication_slot": warning(
        "The slot keeps WAL, and maybe dead rows, for somebody who does not fetch them: building "
        "indexes and cleaning fill the disk faster.",
        "Start what uses the slot, or drop the slot if nothing does.",
    ),
    # --- what goes on right now ----------------------------------------------------------------------
    "long_transaction": warning(
        "Its locks make migrate give up, a concurrent index build waits for its snapshot, and while "
        "it lasts dead rows stay, so heartbeats are no longer heap-only updates.",
        "Let it end; end it with pg_terminate_backend only if you know whose it is.",
    ),
    "prepared_transaction": warning(
        "Nobody is connected who would end it: its locks and its snapshot hold migrate and vacuum "
        "back for ever.",
        "Ask whose it is, then commit prepared or rollback prepared.",
    ),
    "hidden_activity": info(
        "Long transactions of other roles cannot be seen, so none is reported.",
        "Grant pg_read_all_stats to the login role if you want to know.",
    ),
    "running_vacuum": warning(
        "Migrate cannot add a column and no index can be built until the vacuum has ended.",
        "Wait for it.",
    ),
    # --- indexes and disk ----------------------------------------------------------------------------
    "invalid_index": warning(
        "A build failed: the index slows down every write and helps no query.",
        "Migrate mends an index that Rollcall made; drop any other that you do not need.",
    ),
    "index_being_built": info(
        "An index is being built on the table; migrate waits for it.",
        "Wait for it.",
    ),
    "index_disk_space": info(
        "Building indexes takes disk space, and as much again for a while.",
        "See to it that the server has it.",
    ),
    "low_disk_space": warning(
        "The build fails when the disk is full, and the application's writes fail with it.",
        "Make room before you migrate.",
    ),
    # --- what could not be looked at -----------------------------------------------------------------
    "not_seen": info(
        "This could not be looked at, so nothing is said about it.",
        "Ask again with a role that may see it, or at a quieter time.",
    ),
}
