"""The proof of a migration, kept in our ledger: the catalog before its first statement and after its last.

Both readings are stored with the run, added and never changed, so that `verify` can compare them whenever
it is asked, and with the catalog as it is now.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from rollcall.database.connections import Row, fetch
from rollcall.ledger.runs import Run, has_ledger
from rollcall.migrate.catalog_state import Catalog, CatalogProof
from rollcall.migrate.table_contents import Contents, read_contents
from rollcall.workspace import Workspace

__all__ = ["MigrationProof", "prove_migration", "record_catalog"]

SHOWN = 20


@dataclass(frozen=True)
class MigrationProof:
    """What the ledger and the catalog prove about one migration.

    Attributes:
        executed: the objects whose statements were executed, in order.
        catalog: what differs between before and after; where the run was cut off, between before and now.
        is_complete: the run ended by itself, so that the catalog after it is recorded.
        changed_since: what differs between after and now: later changes.
        before_at, after_at: when the catalog was read; none where it was not.
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
        """Only what is declared was added, and all else is as before."""
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
    """Read the catalog and keep it with the run.

    Args:
        moment: ``before`` or ``after``.
        since: the reading before, to count the rows that were written after it.
        rows: whether to look at the rows of the tables, too.
    """
    workspace = run.workspace
    with workspace.database.snapshot() as snapshot:
        catalog = Catalog.read(snapshot, workspace.project)
        if rows:
            contents = read_contents(workspace, snapshot, since.contents if since else None)
            catalog = Catalog.of(catalog.objects.values(), catalog.declared, contents)
    fetch(
        run.connection,
        workspace.project.sql("record_catalogue"),
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
    """Compare what was recorded of a migration; none where nothing was.

    Args:
        run_id: by default the latest migration.
    """
    project = workspace.project
    with workspace.database.snapshot() as snapshot:
        if not has_ledger(snapshot, project, "catalogue_snapshots", "statements"):
            return None
        rows = {row["moment"]: row for row in snapshot.rows(project.sql("recorded_catalogue"), [run_id])}
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
