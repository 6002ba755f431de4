"""Proof of a migration: what the catalog says of the application's tables before it and after it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from rollcall.database.connections import Row, Snapshot
from rollcall.dbt.project import Project
from rollcall.migrate.table_contents import Contents, TableProof, compare_contents
from rollcall.schema.declared import declared_changes

__all__ = ["Catalog", "CatalogProof"]

SHOWN = 20


@dataclass(frozen=True)
class CatalogProof:
    """How the catalog differs between two snapshots, beside what was declared.

    Attributes:
        added: the declared objects that are there now and were not before.
        unexpected: undeclared differences: what was added, changed or removed meanwhile.
        identical: how many objects are exactly as before.
        tables: how the rows of each table compare; none where they were not looked at.
    """

    added: tuple[str, ...]
    unexpected: tuple[str, ...]
    identical: int
    tables: tuple[TableProof, ...] = ()

    @property
    def holds(self) -> bool:
        """Only declared objects were added, and all else is identical but for rows that were written."""
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
    """Columns, indexes, constraints, triggers, comments, privileges and so on, by kind and name.

    Attributes:
        declared: the names of the declared objects, but for those that are something else than declared.
        contents: of each table, how many rows it had and so on; none where that was not looked at.
    """

    objects: Mapping[tuple[str, str, str], Row]
    declared: frozenset[str]
    contents: Mapping[str, Contents] = field(default_factory=dict)

    @classmethod
    def read(cls, snapshot: Snapshot, project: Project) -> Catalog:
        """Read it on one snapshot; needs no privilege on the tables."""
        changes = declared_changes(snapshot, project)
        declared = (change["object_name"] for change in changes if change["state"] != "conflicting")
        query = project.sql("catalogue_objects")
        with snapshot.connection.transaction(force_rollback=True):
            # what the catalog shows of a definition depends on the search path
            snapshot.rows("select set_config('search_path', '', true)")
            return cls.of(snapshot.rows(query), declared)

    @classmethod
    def of(
        cls, rows: Iterable[Row], declared: Iterable[str], contents: Mapping[str, Contents] | None = None
    ) -> Catalog:
        """From the rows of `catalogue_objects`."""
        return cls(
            objects={(row["kind"], row["relation"], row["name"]): row for row in rows},
            declared=frozenset(declared),
            contents=contents or {},
        )

    def compare(self, later: Catalog) -> CatalogProof:
        """What has changed until the later reading."""
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
