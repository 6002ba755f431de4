"""The catalog of the application's tables, before and after a migration."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rollcall.database.connections import Row, Snapshot
from rollcall.database.session_settings import set_for_transaction
from rollcall.dbt.project import Project
from rollcall.schema.declared import declared_changes
from rollcall.steps.migrate.table_contents import Contents, TableProof, compare_contents

__all__ = ["Catalog", "CatalogProof"]

SHOWN = 20


@dataclass(frozen=True)
class CatalogProof:
    """The difference of the catalog between two snapshots.

    Attributes:
        added: the declared objects that were added.
        unexpected: undeclared differences: added, changed and removed objects.
        identical: the number of unchanged objects.
        tables: the comparison of the rows of each table; none: not read.
    """

    added: tuple[str, ...]
    unexpected: tuple[str, ...]
    identical: int
    tables: tuple[TableProof, ...] = ()

    @property
    def holds(self) -> bool:
        """Whether only declared objects were added and all rows are explained."""
        return not self.unexpected and all(table.holds for table in self.tables)

    def to_json(self) -> dict[str, Any]:
        return {
            "holds": self.holds,
            "added": list(self.added),
            "unexpected": list(self.unexpected[:SHOWN]),
            "unexpected_count": len(self.unexpected),
            "identical": self.identical,
            "tables": [table.to_json() for table in self.tables],
        }


@dataclass(frozen=True)
class Catalog:
    """The objects and properties of the tables in the catalog, by kind and name.

    Attributes:
        declared: the names of the declared objects that match their declaration.
        contents: the number and the digest of the rows, by table; none: not read.
    """

    objects: Mapping[tuple[str, str, str], Row]
    declared: frozenset[str]
    contents: Mapping[str, Contents] = field(default_factory=dict)

    @classmethod
    def read(cls, snapshot: Snapshot, project: Project) -> Catalog:
        """Read the catalog on one snapshot; this needs no privilege on the tables."""
        changes = declared_changes(snapshot, project)
        declared = (change["object_name"] for change in changes if change["state"] != "conflicting")
        query = project.sql("catalog_objects")
        with snapshot.connection.transaction(force_rollback=True):
            # the text of a definition depends on the search path
            set_for_transaction(snapshot.connection, {"search_path": ""})
            return cls.of(snapshot.rows(query), declared)

    @classmethod
    def of(
        cls, rows: Iterable[Row], declared: Iterable[str], contents: Mapping[str, Contents] | None = None
    ) -> Catalog:
        """Make the value from the rows of `catalog_objects`."""
        return cls(
            objects={(row["kind"], row["relation"], row["name"]): row for row in rows},
            declared=frozenset(declared),
            contents=contents or {},
        )

    def compare(self, later: Catalog) -> CatalogProof:
        """Compare with a later reading."""
        added, unexpected, identical = [], [], 0
        for key in sorted({*self.objects, *later.objects}):
            before, after = self.objects.get(key), later.objects.get(key)
            if before is not None and after is not None and before["facts"] == after["facts"]:
                identical += 1
            elif before is None and after is not None and _is_declared(after, later.declared):
                added.append(_words(after))
            else:
                how = "added" if before is None else "removed" if after is None else "changed"
                unexpected.append(f"{_words(after or before or {})} {how}")
        tables = compare_contents(self.contents, later.contents)
        return CatalogProof(tuple(added), tuple(unexpected), identical, tables)


def _is_declared(row: Row, declared: Iterable[str]) -> bool:
    names = {
        "column": f"{row['root']}.{row['name']}",
        "comment": f"{row['root']}.{row['name']} (comment)",
        "index": f"{row['relation']}.{row['name']}",
    }
    return names.get(row["kind"], "") in declared


def _words(row: Mapping[str, Any]) -> str:
    if row["kind"] == "table":
        return f"table {row['relation']}"
    return f"{row['kind']} {row['relation']}.{row['name']}"
