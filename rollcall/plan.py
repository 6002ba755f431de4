"""The pending work as data: what `migration_plan` and `cleanup_plan` still hold, bound by a hash."""

from __future__ import annotations

import hashlib
import json
import tempfile
from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

from rollcall.schema import Statement, pending_statements
from rollcall.workspace import Workspace

__all__ = ["Plan", "make_plan"]


class Plan:
    """Everything that is still to be done to one database, as of one instant.

    The changes are kept in a file and read one by one: a million rows need no memory.

    Attributes:
        hash: SHA-256 over the database's name, the instant, the statements and every change.
        judged_at: the instant at which the sessions were judged, and at which they will be again.
        change_count, by_remedy, by_rule: how many changes, by what is done and by the rule that chose.
    """

    def __init__(
        self,
        database: str,
        judged_at: datetime,
        statements: tuple[Statement, ...],
        rows: Iterator[Any],
    ) -> None:
        self.database = database
        self.judged_at = judged_at
        self.statements = statements
        self.change_count = 0
        self.by_remedy: Counter[str] = Counter()
        self.by_rule: Counter[str] = Counter()
        self._file = tempfile.TemporaryFile("w+", encoding="utf-8")  # noqa: SIM115 - lives as long as the plan
        digest = hashlib.sha256()
        header = {
            "database": database,
            "judged_at": judged_at.isoformat(),
            "statements": [statement.to_json() for statement in statements],
        }
        digest.update(_canonical(header).encode())
        for row in rows:
            line = _canonical(_change(row))
            digest.update(b"\n" + line.encode())
            self._file.write(line + "\n")
            self.change_count += 1
            self.by_remedy[row["remedy"]] += 1
            self.by_rule.update(row["rules"])
        self.hash = digest.hexdigest()

    @property
    def is_empty(self) -> bool:
        return not self.statements and not self.change_count

    def changes(self) -> Iterator[dict[str, Any]]:
        """Each change, in the order of agents and sessions; see product.md for its fields."""
        self._file.seek(0)
        for line in self._file:
            yield json.loads(line)

    def to_json(self) -> dict[str, Any]:
        return {
            "hash": self.hash,
            "database": self.database,
            "judged_at": self.judged_at.isoformat(),
            "statements": [statement.to_json() for statement in self.statements],
            "changes": list(self.changes()),
        }


def make_plan(workspace: Workspace, judged_at: datetime | None = None) -> Plan:
    """Read the pending work on one snapshot; changes nothing.

    Args:
        judged_at: the instant to judge at; by default the snapshot's own.
    """
    project = workspace.project
    with workspace.database.snapshot(judged_at) as snapshot:
        clock = snapshot.row(project.sql("clock"))
        return Plan(
            database=workspace.database.name,
            judged_at=clock["judged_at"].astimezone(UTC),
            statements=pending_statements(snapshot, project),
            rows=snapshot.stream(project.sql("cleanup_plan")),
        )


def _change(row: dict[str, Any]) -> dict[str, Any]:
    return {
        "session_id": str(row["session_id"]),
        "agent_id": str(row["agent_id"]),
        "rules": row["rules"],
        "remedy": row["remedy"],
        "before": row["before"],
        "after": row["after"],
        "evidence": row["evidence"],
    }


def _canonical(value: Any) -> str:
    return json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
