"""The number and the digest of each table's rows, before and after a migration.

A migration changes no row. If the application writes nothing, both digests are equal; if it does, the rows
that it wrote between the readings are counted.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import psycopg

from rollcall.database.connections import Snapshot
from rollcall.database.session_settings import set_for_transaction
from rollcall.workspace import Workspace

__all__ = ["Contents", "TableProof", "compare_contents", "read_contents"]


@dataclass(frozen=True)
class Contents:
    """The rows of one table at one instant.

    Attributes:
        rows: their number; none: the table is too large to count.
        digest: the digest of all rows in any order; none: the table is too large.
        written: the number of rows written since the first reading; none: this is the first.
        as_of: the oldest transaction that this reading may not include.
    """

    rows: int | None
    digest: str | None
    written: int | None
    as_of: str

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class TableProof:
    """The rows of one table after a migration, compared with those before it.

    Attributes:
        written: the number of existing rows that other transactions wrote between the readings.
        is_same: whether the digests are equal; none: there is no digest.
    """

    table: str
    rows_before: int | None
    rows_after: int | None
    written: int | None
    is_same: bool | None

    @property
    def holds(self) -> bool:
        """Whether each difference is explained by written or deleted rows."""
        return self.is_same is not False or self.rows_before != self.rows_after or bool(self.written)

    def to_json(self) -> dict[str, Any]:
        return {"holds": self.holds, **asdict(self)}


def read_contents(
    workspace: Workspace, snapshot: Snapshot, since: Mapping[str, Contents] | None = None
) -> dict[str, Contents]:
    """Count and digest the rows of each readable table that is not locked.

    Args:
        since: an earlier reading, to count the rows written after it.
    """
    variables = workspace.settings.variables
    as_of = next((earlier.as_of for earlier in (since or {}).values()), None)  # the same for all tables
    limits = [variables["proof_count_max_rows"], variables["proof_digest_max_rows"], as_of]
    query = workspace.project.sql("table_contents")
    try:
        with snapshot.connection.transaction(force_rollback=True):
            settings = {
                "lock_timeout": f"{max(1, round(variables['migrate_lock_timeout_ms']))}ms",
                "row_security": "off",  # hidden rows would make the count wrong
                "search_path": "",
                "timezone": "UTC",
            }
            set_for_transaction(snapshot.connection, settings)
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
    """Compare each table that both readings have."""
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
