"""Stored plans, which are executed later as approved: in a file, or in the ledger.

A plan file is JSON Lines: the header with the plan's hash, then a line per statement and a line per
change, keys and counts only. A plan is executed unchanged, or refused with the cause. The hash names the
approved plan and finds accidental changes; it is not a signature. Therefore a statement is sent only if
this version of Rollcall declares it and it is missing, and every row is judged again.
"""

from __future__ import annotations

import errno
import itertools
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

from rollcall.database.connections import Row, Snapshot, fetch
from rollcall.errors import ConfigurationError, Refused
from rollcall.ledger.runs import Run, has_ledger, ledger_needed, refuse_older_ledger
from rollcall.process.files import replaced_file
from rollcall.schema.declared import Statement, pending_statements
from rollcall.steps.plan.format import FORMAT, INSTANTS, FormatError, LineReader, document_of, read_header
from rollcall.steps.plan.pending_work import KEYS, Body, Plan, identity_of, line_of, schema_fingerprint
from rollcall.workspace import Workspace

__all__ = ["read_plan", "require_plan", "store_plan", "write_plan"]

LINES_AT_ONCE = 1_000
HASH_PREFIX = re.compile(r"[0-9a-f]{12,64}")
AGAIN = "nothing was changed; make and approve a new one with `rollcall plan --out`"
IDENTITY = {
    "database": "database",
    "database_oid": "database number",
    "system_identifier": "cluster",
}


def write_plan(plan: Plan, path: Path) -> None:
    """Write a plan to a file that its owner only can read, replacing an existing file.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    with replaced_file(path) as file:
        file.write(_header_line(plan))
        file.writelines(plan.body.lines())


def store_plan(run: Run, plan: Plan) -> None:
    """Store a plan in the ledger under its hash; a stored plan is not stored again."""
    project = run.workspace.project
    store, store_lines = project.sql("store_plan"), project.sql("store_plan_lines")
    with run.connection.transaction():
        if not fetch(run.connection, store, [plan.hash, _header_line(plan).decode(), run.id]):
            return
        lines = plan.body.lines()
        position = 1
        while chunk := [line.decode() for line in itertools.islice(lines, LINES_AT_ONCE)]:
            fetch(run.connection, store_lines, [plan.hash, position, chunk])
            position += len(chunk)


def require_plan(source: str) -> None:
    """Refuse a file that is not there, before the database is read.

    Raises:
        ConfigurationError: `source` is neither a file nor a hash.
    """
    if not HASH_PREFIX.fullmatch(source) and not Path(source).exists():
        raise _unreadable(source, os.strerror(errno.ENOENT))


def read_plan(workspace: Workspace, source: str) -> Plan:
    """Read a plan, and check that it may be executed on this database now.

    Args:
        source: a file, or at least 12 digits of the hash of a stored plan.

    Raises:
        ConfigurationError: there is no such plan.
        Refused: it was changed, it expired, it is for another database, or the schema is neither that of
            the plan nor that after its statements.
    """
    path = Path(source)
    try:
        if HASH_PREFIX.fullmatch(source) and not path.exists():
            header, body = _read(_stored_lines(workspace, source), f"plan {source}")
        else:
            with path.open("rb") as file:
                header, body = _read(file, str(path))
    except OSError as error:
        raise _unreadable(source, error.strerror) from error
    with workspace.database.snapshot(datetime.fromisoformat(header["judged_at"])) as snapshot:
        statements = _admit(workspace, snapshot, header, body)
    return Plan(header, body, statements)


def _unreadable(source: str, reason: str | None) -> ConfigurationError:
    return ConfigurationError(f"cannot read the plan {source}: {reason}", "`rollcall plan --out` writes one")


def _header_line(plan: Plan) -> bytes:
    return line_of({"line": "plan", "hash": plan.hash, **plan.header})


def _read(lines: Iterable[bytes], name: str) -> tuple[dict[str, Any], Body]:
    """Read the header (without the hash) and the body; every byte must match the hash."""
    rest = iter(lines)
    first = next(rest, b"")
    header = _read_header(first, name)
    claimed = header.pop("hash")
    body, reader = Body(), LineReader()
    for number, line in enumerate(rest, start=2):
        keys = KEYS.match(line)
        try:
            document = reader.read(line, keys[1].decode() if keys else None)
        except FormatError as error:
            raise Refused(f"{name} is not as it was made: line {number}: {error}", AGAIN) from None
        body.add_line(line, document)
    plan = Plan(header, body, ())
    if plan.hash != claimed or _header_line(plan) != first or body.digest != header["body"]:
        raise Refused(f"{name} is not as it was made: its hash does not fit", AGAIN)
    for field, found in (
        ("statement_count", body.statement_count),
        ("change_count", body.change_count),
        ("remedies", dict(body.by_remedy)),
    ):
        if header[field] != found:
            raise Refused(f"{name} is not as it was made: its {field} does not fit its lines", AGAIN)
    return header, body


def _read_header(line: bytes, name: str) -> dict[str, Any]:
    try:
        found = document_of(line)
    except FormatError:
        raise Refused(f"{name} does not begin like a plan", AGAIN) from None
    if found.get("line") != "plan":
        raise Refused(f"{name} does not begin like a plan", AGAIN)
    if found.get("format") != FORMAT:
        raise Refused(f"{name} has another format than this version of Rollcall reads", AGAIN)
    try:
        return read_header(line)
    except FormatError as error:
        raise Refused(f"{name} is not as it was made: line 1: {error}", AGAIN) from None


def _stored_lines(workspace: Workspace, prefix: str) -> Iterator[bytes]:
    project = workspace.project
    with workspace.database.snapshot() as snapshot, ledger_needed():
        refuse_older_ledger(snapshot, project)
        found = (
            snapshot.rows(project.sql("stored_plans"), [prefix])
            if has_ledger(snapshot, project, "plans")
            else []
        )
        if len(found) != 1:
            problem = "no plan" if not found else "more than one plan"
            raise ConfigurationError(
                f"{problem} with the hash {prefix} is stored",
                "`rollcall plan --store` stores one and shows it",
            )
        yield found[0]["header"].encode()
        query, position = project.sql("stored_plan_lines"), 0
        while page := snapshot.rows(query, [found[0]["hash"], position, LINES_AT_ONCE]):
            yield from (row["line"].encode() for row in page)
            position = page[-1]["position"]


def _admit_instants(header: dict[str, Any], clock: Row, variables: Mapping[str, Any]) -> None:
    """Check the instants against the server's clock and the configuration.

    Raises:
        Refused: the plan expired, is later than the clock, or was made with other thresholds.
    """
    instants = {name: datetime.fromisoformat(header[name]) for name in INSTANTS}
    now: datetime = clock["current_at"].astimezone(UTC)
    for name in ("made_at", "judged_at"):
        if instants[name] > clock["future_after"]:
            raise Refused(
                f"the plan's {name} {header[name]} is later than the server's clock, {now.isoformat()}",
                f"a clock was wrong when it was made; {AGAIN}",
            )
    expires_at = instants["expires_at"]
    if now >= expires_at:
        raise Refused(f"the plan expired at {expires_at:%Y-%m-%d %H:%M:%S} UTC", AGAIN)
    if expires_at - instants["made_at"] > timedelta(hours=variables["plan_expires_hours"]):
        raise Refused(
            f"the plan expires later than plan_expires_hours allows: at {header['expires_at']}", AGAIN
        )
    ours = instants["judged_at"] - (clock["judged_at"] - clock["abandoned_before"])
    if ours != instants["cutoff"]:
        raise Refused(
            f"the plan's cut-off is {header['cutoff']}, and with this configuration it is {ours.isoformat()}",
            "use the vars that the plan was made with, or make a new one",
        )


def _admit(
    workspace: Workspace, snapshot: Snapshot, header: dict[str, Any], body: Body
) -> tuple[Statement, ...]:
    """Check that the plan fits the database. Gives its missing statements."""
    project = workspace.project
    identity = identity_of(snapshot, project)
    for key, word in IDENTITY.items():
        planned, here = header[key], identity[key]
        if None not in (planned, here) and planned != here:
            raise Refused(f"the plan is for another database: {word} {planned}, and this is {here}", AGAIN)
    if header["system_identifier"] is None and identity["system_identifier"] is not None:
        raise Refused(
            "the plan does not say which cluster it is for, and this role can read the cluster's identifier",
            "make the plan with a role that may execute pg_control_system()",
        )
    _admit_instants(header, snapshot.row(project.sql("clock")), workspace.settings.variables)
    missing = {
        (statement.kind, statement.object_name, statement.sql): statement
        for statement in pending_statements(snapshot, project)
    }
    planned = [
        (document["kind"], document["object"], document["sql"]) for document in body.documents("statement")
    ]
    unplanned = [key for key in missing if key not in planned]
    if unplanned:
        kind, name, _ = unplanned[0]
        raise Refused(
            f"the schema drifted since the plan was made: {kind} {name} is not in the plan",
            AGAIN,
        )
    if schema_fingerprint(snapshot, project) != header["schema"]:
        raise Refused(
            "the schema drifted since the plan was made: a column, constraint, index, trigger or policy of "
            "the application's tables is another one",
            AGAIN,
        )
    return tuple(missing[key] for key in planned if key in missing)
