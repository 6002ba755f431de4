"""What the application's tables hold: how many rows, and a digest of them, before a migration and after it.

A migration changes no row. Where the application changes none, the digests before and after are equal; where
the application goes on, they are not, and the rows that it wrote meanwhile are counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import psycopg

from rollcall.database.connections import Snapshot, fetch
from rollcall.workspace import Workspace

__all__ = ["Contents", "TableProof", "compare_contents", "read_contents"]


@dataclass(frozen=True)
class Contents:
    """What one table held at one moment.

    Attributes:
        rows: how many; none where the table is too large to be counted.
        digest: of all rows, whatever their order; none where the table is too large for that.
        written: how many of them were written since the reading before; none where there was none.
        as_of: the oldest transaction that this reading may have missed.
    """

    rows: int | None
    digest: str | None
    written: int | None
    as_of: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class TableProof:
    """How one table's rows after a migration compare with those before it.

    Attributes:
        written: rows that others wrote meanwhile and that are still there.
        is_same: whether the digests are equal; none where there are none to compare.
    """

    table: str
    rows_before: int | None
    rows_after: int | None
    written: int | None
    is_same: bool | None

    @property
    def holds(self) -> bool:
        """Every difference has an explanation: rows were written or deleted."""
        return self.is_same is not False or self.rows_before != self.rows_after or bool(self.written)

    def to_json(self) -> dict[str, Any]:
        return {"holds": self.holds, **asdict(self)}


def read_contents(
    workspace: Workspace, snapshot: Snapshot, since: Mapping[str, Contents] | None = None
) -> dict[str, Contents]:
    """Count and digest the application's rows, by table; nothing where we may not or must wait.

    Args:
        since: an earlier reading, to count what was written after it.
    """
    variables = workspace.settings.variables
    as_of = next((earlier.as_of for earlier in (since or {}).values()), None)  # one snapshot, one answer
    limits = [variables["proof_count_max_rows"], variables["proof_digest_max_rows"], as_of]
    query = workspace.project.sql("table_contents")
    try:
        with snapshot.connection.transaction(force_rollback=True):
            for name, value in {
                "lock_timeout": f"{max(1, round(variables['migrate_lock_timeout_ms']))}ms",
                "row_security": "off",  # hidden rows would make a count that is wrong
                "search_path": "",
                "timezone": "UTC",
            }.items():
                fetch(snapshot.connection, "select set_config($1, $2, true)", [name, value])
            rows = snapshot.rows(query, limits)
    except psycopg.Error:
        if snapshot.connection.broken:
            raise
        return {}
    return {
        row["table_name"]: Contents(row["row_count"], row["digest"], row["written"], row["as_of"])
        for row in rows
    }


def compare_contents(before: Mapping[str, Contents], after: Mapping[str, Contents]) -> tuple[TableProof, ...]:
    """What became of each table that was looked at both times."""
    return tuple(
        TableProof(
            table=table,
            rows_before=before[table].rows,
            rows_after=after[table].rows,
            written=after[table].written,
            is_same=(
                before[table].digest == after[table].digest
                if before[table].digest is not None and after[table].digest is not None
                else None
            ),
        )
        for table in sorted(before.keys() & after.keys())
    )
