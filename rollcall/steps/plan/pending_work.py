"""The rows of `migration_plan` and `cleanup_plan` as a plan, bound by a hash.

A plan is a header and a body of lines, one per statement and one per change. The header has the database,
the instant, the expiry and the digest of the body; the plan's hash is the hash of the header. A plan file
(`rollcall.steps.plan.stored`) is JSON Lines, header first.
"""

from __future__ import annotations

import hashlib
import json
import re
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

from rollcall.database.connections import Snapshot
from rollcall.database.session_settings import set_for_transaction
from rollcall.dbt.project import Project
from rollcall.schema.declared import Statement, pending_statements
from rollcall.steps.plan.format import FORMAT
from rollcall.workspace import Workspace

__all__ = ["Body", "Plan", "identity_of", "line_of", "make_plan", "schema_fingerprint"]

KEYS = re.compile(rb'\{"line": "change", "session_id": "([^"\\]+)", "agent_id": "([^"\\]+)", ')
"""The usual beginning of a change; parsing the whole line for two keys takes longer than judging it."""


class Body:
    """The lines of a plan, in a temporary file: there may be a million."""

    def __init__(self) -> None:
        self._file = tempfile.TemporaryFile("w+b")  # noqa: SIM115 - lives as long as the plan
        self._digest = hashlib.sha256()
        self.statement_count = 0
        self.change_count = 0
        self.by_remedy: Counter[str] = Counter()
        self.by_rule: Counter[str] = Counter()
        self.statuses_after: set[str] = set()

    @property
    def digest(self) -> str:
        """SHA-256 of every byte of the lines."""
        return self._digest.hexdigest()

    def add(self, document: dict[str, Any]) -> None:
        self.add_line(line_of(document), document)

    def add_line(self, line: bytes, document: dict[str, Any]) -> None:
        """Add a line. document: its content."""
        self._digest.update(line)
        self._file.write(line)
        if document["line"] == "statement":
            self.statement_count += 1
            return
        self.change_count += 1
        self.by_remedy[document["remedy"]] += 1
        self.by_rule.update(document["rules"])
        self.statuses_after.add(document["after"]["status"])

    def lines(self) -> Iterator[bytes]:
        """The lines, unchanged."""
        self._file.seek(0)
        for line in self._file:  # noqa: UP028 - `yield from` closes the file when its reader stops early
            yield line

    def documents(self, kind: str) -> Iterator[dict[str, Any]]:
        """The documents of one kind, without the field ``line``."""
        for line in self.lines():
            document = json.loads(line)
            if document.pop("line") == kind:
                yield document


class Plan:
    """The pending work on one database, as of one instant.

    Attributes:
        header: the database, the instants, the fingerprint of the schema, and the digest of the body.
        hash: SHA-256 of the header, and so of every statement and change.
        statements: the statements of the plan that are still missing.
        judged_at: the instant of judgement, used again when the plan is executed.
        made_at: the server's clock at that time; differs from judged_at in tests only.
        change_count, by_remedy, by_rule: numbers of changes.
        statuses_after: the statuses that the changes write.
    """

    def __init__(self, header: dict[str, Any], body: Body, statements: tuple[Statement, ...]) -> None:
        self.header = header
        self.hash = hashlib.sha256(line_of(header)).hexdigest()
        self.body = body
        self.statements = statements
        self.database: str = header["database"]
        self.judged_at = datetime.fromisoformat(header["judged_at"])
        self.made_at = datetime.fromisoformat(header["made_at"])
        self.expires_at = datetime.fromisoformat(header["expires_at"])
        self.change_count = body.change_count
        self.by_remedy = body.by_remedy
        self.by_rule = body.by_rule
        self.statuses_after = frozenset(body.statuses_after)

    @property
    def is_empty(self) -> bool:
        return not self.statements and not self.change_count

    def changes(self) -> Iterator[dict[str, Any]]:
        """The changes, ordered by agent and session; docs/json.md has their fields."""
        return self.body.documents("change")

    def items(self) -> Iterator[dict[str, str]]:
        """The changes for the batches: `session_id`, `agent_id`, the line as `json`."""
        for line in self.body.lines():
            if keys := KEYS.match(line):
                session_id, agent_id = keys[1].decode(), keys[2].decode()
            else:
                document = json.loads(line)
                if document["line"] != "change":
                    continue
                session_id, agent_id = document["session_id"], document["agent_id"]
            yield {"session_id": session_id, "agent_id": agent_id, "json": line.decode()}

    def to_json(self) -> dict[str, Any]:
        return {
            "hash": self.hash,
            **self.header,
            "statements": list(self.body.documents("statement")),
            "changes": list(self.changes()),
        }


def make_plan(workspace: Workspace, judged_at: datetime | None = None) -> Plan:
    """Read the pending work on one snapshot.

    Args:
        judged_at: the instant to judge at; by default the snapshot's own.
    """
    project = workspace.project
    body = Body()
    with workspace.database.snapshot(judged_at) as snapshot:
        # so that a timestamptz has the same text in every plan
        set_for_transaction(snapshot.connection, {"timezone": "UTC"})
        clock = snapshot.row(project.sql("clock"))
        statements = pending_statements(snapshot, project)
        for statement in statements:
            body.add({"line": "statement", **statement.to_json()})
        for row in snapshot.stream(project.sql("planned_changes")):
            body.add(_change(row))
        identity = identity_of(snapshot, project)
        fingerprint = schema_fingerprint(snapshot, project)
    made_at = clock["current_at"].astimezone(UTC)
    lifetime = timedelta(hours=workspace.settings.variables["plan_expires_hours"])
    header = {
        "line": "plan",
        "format": FORMAT,
        **identity,
        "made_at": made_at.isoformat(),
        "judged_at": clock["judged_at"].astimezone(UTC).isoformat(),
        "cutoff": clock["abandoned_before"].astimezone(UTC).isoformat(),
        "expires_at": (made_at + lifetime).isoformat(),
        "schema": fingerprint,
        "statement_count": body.statement_count,
        "change_count": body.change_count,
        "remedies": dict(sorted(body.by_remedy.items())),
        "body": body.digest,
    }
    return Plan(header, body, statements)


def identity_of(snapshot: Snapshot, project: Project) -> dict[str, Any]:
    """The name and number of the database, and the cluster's identifier if readable."""
    row = snapshot.row(project.sql("database_identity"))
    system = snapshot.row(project.sql("system_identity")) if row["may_read_system"] else {}
    return {
        "database": row["database_name"],
        "database_oid": row["database_oid"],
        "system_identifier": system.get("system_identifier"),
    }


def schema_fingerprint(snapshot: Snapshot, project: Project) -> str:
    """The digest of the application's tables, without Rollcall's declared objects.

    The search path is empty for the rest of the snapshot's transaction.
    """
    query = project.sql("schema_fingerprint")
    set_for_transaction(snapshot.connection, {"search_path": ""})
    return str(snapshot.row(query)["fingerprint"])


def line_of(document: dict[str, Any]) -> bytes:
    """Encode a document as one line, always to the same bytes."""
    return (json.dumps(document, ensure_ascii=False, separators=(", ", ": ")) + "\n").encode()


def _change(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "line": "change",
        "session_id": row["session_id"],
        "agent_id": row["agent_id"],
        "rules": row["rules"],
        "remedy": row["remedy"],
        "before": row["before"],
        "after": row["after"],
        "evidence": row["evidence"],
    }
