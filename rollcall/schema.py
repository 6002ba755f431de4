"""The schema that is declared, against the catalogue: the statements that are still missing."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rollcall.database import Snapshot
from rollcall.project import OwnRelation, Project

__all__ = ["Statement", "declared_changes", "pending_statements"]

LEDGER_SCHEMA = "rollcall_ops"


@dataclass(frozen=True)
class Statement:
    """One DDL statement that is still missing.

    Attributes:
        kind: schema, table, column, comment, index or view.
        in_transaction: whether PostgreSQL lets it run in one.
    """

    kind: str
    object_name: str
    sql: str
    reason: str
    lock: str
    in_transaction: bool = True

    @property
    def is_of_ledger(self) -> bool:
        """Whether it makes our ledger, which every run that changes something needs first."""
        return self.object_name.split(".")[0] == LEDGER_SCHEMA

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "object": self.object_name,
            "sql": self.sql,
            "reason": self.reason,
            "lock": self.lock,
            "in_transaction": self.in_transaction,
        }


def declared_changes(snapshot: Snapshot, project: Project) -> list[dict[str, Any]]:
    """Every declared change of the application's schema with its state in the catalogue."""
    return snapshot.rows(project.sql("declared_changes"))


def pending_statements(snapshot: Snapshot, project: Project) -> tuple[Statement, ...]:
    """The statements still missing, in the order of execution: schemas, ledger, changes, views."""
    planned = [
        Statement(
            kind=row["kind"],
            object_name=row["object_name"],
            sql=row["statement"],
            reason=row["reason"],
            lock=row["lock"],
            in_transaction=row["in_transaction"],
        )
        for row in snapshot.rows(project.sql("migration_plan"))
    ]
    deployed = {
        (row["schema_name"], row["relation_name"]): row["definition_digest"]
        for row in snapshot.rows(project.sql("deployed_relations"))
    }
    own = [
        _own_statement(relation)
        for relation in project.own_relations
        if deployed.get((relation.schema, relation.name), "absent") != relation.digest
    ]
    return (
        *(statement for statement in planned if statement.kind == "schema"),
        *(statement for statement in own if statement.kind == "table"),
        *(statement for statement in planned if statement.kind != "schema"),
        *(statement for statement in own if statement.kind == "view"),
    )


def _own_statement(relation: OwnRelation) -> Statement:
    reasons = {
        "table": "The ledger keeps every run and every change with its before- and after-image",
        "view": "People query the cleaned view; it is missing or its definition changed",
    }
    return Statement(
        kind=relation.kind,
        object_name=f"{relation.schema}.{relation.name}",
        sql=relation.statement,
        reason=reasons[relation.kind],
        lock="none on the application's rows" if relation.kind == "view" else "none on the application",
    )
