"""The proof of a migration: the catalog before and after it, in the ledger.

The readings are stored with the run and never changed; `verify` compares them with each other and with
the present catalog.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rollcall.database.connections import Row, fetch
from rollcall.ledger.runs import Run, has_ledger
from rollcall.steps.migrate.catalog_state import Catalog, CatalogProof
from rollcall.steps.migrate.table_contents import Contents, read_contents
from rollcall.workspace import Workspace

__all__ = ["MigrationProof", "prove_migration", "record_catalog"]

SHOWN = 20


@dataclass(frozen=True)
class MigrationProof:
    """The proof of one migration.

    Attributes:
        executed: the objects whose statements were executed, in order.
        catalog: the difference between before and after; for a killed run, between before and now.
        is_complete: whether the reading after the run is recorded.
        changed_since: the difference between after and now.
        before_at, after_at: the times of the readings; none: not read.
    """

    run_id: str
    executed: tuple[str, ...]
    catalog: CatalogProof
    is_complete: bool
    changed_since: tuple[str, ...]
    before_at: datetime
    after_at: datetime | None

    @property
    def holds(self) -> bool:
        """Whether only declared objects were added, and all others are unchanged."""
        return self.catalog.holds

    def to_json(self) -> dict[str, Any]:
        return {
            "run_id": self.run_id,
            **self.catalog.to_json(),
            "executed": list(self.executed),
            "complete": self.is_complete,
            "changed_since": list(self.changed_since[:SHOWN]),
            "changed_since_count": len(self.changed_since),
            "before_at": self.before_at.isoformat(),
            "after_at": self.after_at.isoformat() if self.after_at else None,
        }


def record_catalog(run: Run, moment: str, since: Catalog | None = None, *, rows: bool) -> Catalog:
    """Read the catalog and store it with the run.

    Args:
        moment: ``before`` or ``after``.
        since: the first reading, to count the rows written after it.
        rows: whether to read the rows of the tables too.
    """
    workspace = run.workspace
    with workspace.database.snapshot() as snapshot:
        catalog = Catalog.read(snapshot, workspace.project)
        if rows:
            contents = read_contents(workspace, snapshot, since.contents if since else None)
            catalog = Catalog.of(catalog.objects.values(), catalog.declared, contents)
    fetch(
        run.connection,
        workspace.project.sql("record_catalog"),
        [
            run.id,
            moment,
            json.dumps(list(catalog.objects.values())),
            sorted(catalog.declared),
            json.dumps({table: contents.to_json() for table, contents in catalog.contents.items()}),
        ],
    )
    return catalog


def prove_migration(workspace: Workspace, run_id: str | None = None) -> MigrationProof | None:
    """Compare the recorded readings of a migration; none without a record.

    Args:
        run_id: by default the latest migration.
    """
    project = workspace.project
    with workspace.database.snapshot() as snapshot:
        if not has_ledger(snapshot, project, "catalogue_snapshots", "statements"):
            return None
        rows = {row["moment"]: row for row in snapshot.rows(project.sql("recorded_catalog"), [run_id])}
        if "before" not in rows:
            return None
        now = Catalog.read(snapshot, project)
    before, after = _recorded(rows["before"]), _recorded(rows["after"]) if "after" in rows else None
    return MigrationProof(
        run_id=rows["before"]["run_id"],
        executed=tuple(rows["before"]["executed"]),
        catalog=before.compare(after or now),
        is_complete=after is not None,
        changed_since=_differences(after, now) if after else (),
        before_at=rows["before"]["taken_at"],
        after_at=rows["after"]["taken_at"] if after else None,
    )


def _recorded(row: Row) -> Catalog:
    contents: Mapping[str, Any] = row["contents"]
    return Catalog.of(
        row["objects"], row["declared"], {table: Contents(**held) for table, held in contents.items()}
    )


def _differences(before: Catalog, now: Catalog) -> tuple[str, ...]:
    proof = before.compare(now)
    return (*(f"{added} added" for added in proof.added), *proof.unexpected)
