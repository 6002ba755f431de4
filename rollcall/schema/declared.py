"""The declared schema against the catalog: the statements that are still missing."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, cast

import psycopg

from rollcall.database.connections import Row, Snapshot
from rollcall.database.session_settings import set_for_transaction
from rollcall.dbt.project import Project, RollcallRelation
from rollcall.schema.allow_list import LEDGER_SCHEMA, check_migrating
from rollcall.schema.ledger_columns import missing_columns, why_not_ours
from rollcall.schema.row_security import RowSecurity, bypassing_views, invoker_statement, read_row_security

__all__ = [
    "Conflict",
    "Statement",
    "build_workers",
    "conflicts",
    "conflicts_of_rollcall_relations",
    "declared_changes",
    "ledger_tables",
    "pending_statements",
]

# the existing index is on a table that the declared expressions do not match
INCOMPARABLE = (
    psycopg.DataError,
    psycopg.errors.CannotCoerce,
    psycopg.errors.DatatypeMismatch,
    psycopg.errors.UndefinedColumn,
    psycopg.errors.UndefinedFunction,
)
READER_NEEDS = (
    "a reader of the view needs USAGE on the schemas and SELECT on the tables that it reads, "
    "rollcall_ops.flags included; until it has them, the view refuses it"
)
RELATION_KINDS = {"table": "rp", "view": "v"}


@dataclass(frozen=True)
class Statement:
    """One DDL statement that is still missing.

    Attributes:
        kind: schema, table, column, comment, index or view.
        sql: one statement; or a view and its comment; or an unfinished index dropped and built again.
        warning: a further consequence for users of the table.
        in_transaction: whether PostgreSQL can execute it in a transaction.
    """

    kind: str
    object_name: str
    sql: str
    reason: str
    lock: str
    in_transaction: bool = True
    warning: str | None = None

    @property
    def is_of_ledger(self) -> bool:
        """Whether it creates part of the ledger, which every run that changes data needs first."""
        return self.object_name.split(".")[0] == LEDGER_SCHEMA

    @property
    def is_of_application(self) -> bool:
        """Whether it changes the application's tables, not only Rollcall's objects."""
        return self.kind in ("column", "comment", "index")

    def to_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind,
            "object": self.object_name,
            "sql": self.sql,
            "reason": self.reason,
            "lock": self.lock,
            "in_transaction": self.in_transaction,
            "warning": self.warning,
        }


@dataclass(frozen=True)
class Conflict:
    """An existing object that differs from its declaration and blocks the migration."""

    object_name: str
    reason: str


def declared_changes(snapshot: Snapshot, project: Project) -> list[Row]:
    """Every declared change of the application's schema with its state, in the order of execution.

    A snapshot reads them once: planning the query takes the server longer than executing it.
    """
    query = project.sql("declared_changes")
    return snapshot.rows_once(query, lambda: _with_index_states(snapshot, project, snapshot.rows(query)))


def pending_statements(snapshot: Snapshot, project: Project) -> tuple[Statement, ...]:
    """The missing statements in the order of execution: schemas, ledger, changes, views.

    Raises:
        Refused: a statement is not on the allow-list.
    """
    rows = [change for change in declared_changes(snapshot, project) if change["is_pending"]]
    planned = [
        Statement(
            kind=row["kind"],
            object_name=row["object_name"],
            sql=row["statement"],
            reason=row["reason"],
            lock=row["lock"],
            in_transaction=row["in_transaction"],
            warning=row["warning"],
        )
        for row in rows
    ]
    deployed = _deployed(snapshot, project)
    security = read_row_security(snapshot.connection, project)
    own = [
        statement
        for relation in project.rollcall_relations
        for statement in _statements_of_rollcall_relation(relation, deployed.get(_name(relation)), security)
    ]
    statements = (
        *(statement for statement in planned if statement.kind == "schema"),
        *(statement for statement in own if statement.kind == "table"),
        *(statement for statement in planned if statement.kind != "schema"),
        *(statement for statement in own if statement.kind == "view"),
    )
    unfinished = [row["object_name"] for row in rows if row["state"] == "invalid"]
    for statement in statements:
        check_migrating(statement.sql, unfinished)
    return statements


def conflicts(snapshot: Snapshot, project: Project) -> list[Conflict]:
    """Existing objects that differ from their declarations and block the migration."""
    changed = [
        Conflict(change["object_name"], "it exists and differs from its declaration")
        for change in declared_changes(snapshot, project)
        if change["state"] == "conflicting"
    ]
    bypassing = [
        Conflict(name, "PostgreSQL before 15 cannot apply the tables' row-level security for its reader")
        for name in bypassing_views(snapshot.connection, project)
    ]
    return [*changed, *conflicts_of_rollcall_relations(snapshot, project), *bypassing]


def conflicts_of_rollcall_relations(snapshot: Snapshot, project: Project) -> list[Conflict]:
    """Objects in the place of Rollcall's relations that are foreign or cannot be converted."""
    deployed = _deployed(snapshot, project)
    found = []
    for relation in project.rollcall_relations:
        row = deployed.get(_name(relation))
        reason = _conflict(snapshot, project, relation, row) if row is not None else None
        if reason is not None:
            found.append(Conflict(".".join(_name(relation)), reason))
    return found


def ledger_tables(snapshot: Snapshot, project: Project) -> dict[str, bool]:
    """Map each existing ledger table to whether it has every declared column.

    A table of an earlier version may lack some.
    """
    deployed = _deployed(snapshot, project)
    return {
        ".".join(_name(own)): not missing_columns(own, deployed[_name(own)]["columns"])
        for own in project.rollcall_relations
        if own.kind == "table" and _name(own) in deployed
    }


def build_workers(variables: Mapping[str, Any]) -> int:
    """The number of parallel workers for an index build, besides the leader."""
    return max(0, int(variables["index_build_processes"]) - 1)


def _name(relation: RollcallRelation) -> tuple[str, str]:
    return relation.schema, relation.name


def _deployed(snapshot: Snapshot, project: Project) -> dict[tuple[str, str], Row]:
    rows = snapshot.rows(project.sql("deployed_relations"))
    return {(row["schema_name"], row["relation_name"]): row for row in rows}


def _statements_of_rollcall_relation(
    relation: RollcallRelation, deployed: Row | None, security: RowSecurity
) -> list[Statement]:
    """The statements that create or complete a relation; empty where it is as declared."""
    name = f"{relation.schema}.{relation.name}"
    if relation.kind == "view":
        return _view_statements(name, relation, deployed, security)
    if deployed is None:
        reason = "The ledger keeps every run and every change with its before- and after-image"
        return [Statement("table", name, relation.statement, reason, "none on the application")]
    reason = "An earlier version made the ledger, without this column"
    return [
        Statement("table", f"{name}.{column}", statement, reason, "none on the application")
        for column, statement in missing_columns(relation, deployed["columns"]).items()
    ]


def _view_statements(
    name: str, relation: RollcallRelation, deployed: Row | None, security: RowSecurity
) -> list[Statement]:
    is_invoker = deployed is not None and deployed["is_invoker"]
    needs_invoker = security.needs_invoker(relation)
    warning = READER_NEEDS if needs_invoker and not is_invoker else None
    if deployed is None or deployed["definition_digest"] != relation.digest:
        reason = "People query the cleaned view; it is missing or its definition changed"
        parts = [relation.statement]
        # replacing a view resets its options; security_invoker is never taken back
        if needs_invoker or is_invoker:
            parts.append(invoker_statement(relation))
        lock = "none on the application's rows"
        return [Statement("view", name, ";\n".join(parts), reason, lock, warning=warning)]
    if needs_invoker and not is_invoker:
        reason = "The application's tables have row-level security, which the view must apply for its reader"
        lock = "ACCESS EXCLUSIVE on the view, for an instant"
        return [Statement("view", name, invoker_statement(relation), reason, lock, warning=warning)]
    return []


def _conflict(snapshot: Snapshot, project: Project, relation: RollcallRelation, deployed: Row) -> str | None:
    """Why the deployed relation cannot become the declared one; None if it can."""
    if deployed["relation_kind"] not in RELATION_KINDS[relation.kind]:
        return f"a relation of that name exists and is no {relation.kind}"
    if relation.kind == "table":
        return why_not_ours(relation, deployed["columns"])
    if deployed["definition_digest"] == relation.digest:
        return None
    if deployed["definition_digest"] is None:
        return "a view of that name exists that Rollcall did not make: its comment names no definition"
    return _lost_column(snapshot, project, relation)


# --- states of indexes that the catalog does not show --------------------------------------------


def _with_index_states(snapshot: Snapshot, project: Project, changes: Sequence[Row]) -> list[Row]:
    """Correct the states of indexes that differ from their names, also for later queries of the transaction.

    The server compares two expressions: EXPLAIN of a query with both normalises them without reading a row.
    The ledger tells which unfinished indexes Rollcall made.
    """
    made: set[str] | None = None
    states: dict[str, str] = {}
    for change in changes:
        if change["found_expressions"] is None or change["state"] == "conflicting":
            continue
        name = change["object_name"]
        expected = (change["declared_expressions"], change["former_expressions"])
        if not any(_is_same(snapshot, change, expressions) for expressions in expected):
            states[name] = "conflicting"
        elif change["state"] == "invalid":
            made = _made_objects(snapshot, project) if made is None else made
            if name not in made:
                states[name] = "conflicting"
    set_for_transaction(snapshot.connection, {"rollcall.index_states": json.dumps(states)})
    return snapshot.rows(project.sql("declared_changes")) if states else list(changes)


def _is_same(snapshot: Snapshot, change: Row, declared: Sequence[str]) -> bool:
    found: Sequence[str] = change["found_expressions"]
    if len(declared) != len(found):
        return False
    columns = ", ".join(f"({expression})" for expression in (*declared, *found))
    query = f"select {columns} from {change['table_sql']} where false"
    try:
        with snapshot.connection.transaction():
            plan = next(iter(snapshot.row(f"explain (verbose, costs off, format json) {query}").values()))
    except psycopg.errors.InsufficientPrivilege:
        return True  # missing SELECT rights are a finding of their own
    except INCOMPARABLE:
        return False
    shown: list[str] = plan[0]["Plan"]["Output"]
    return len(shown) == 2 * len(declared) and shown[: len(declared)] == shown[len(declared) :]


def _made_objects(snapshot: Snapshot, project: Project) -> set[str]:
    """The names of the objects that runs began to create; empty without a readable ledger."""
    try:
        with snapshot.connection.transaction():
            return {row["object_name"] for row in snapshot.rows(project.sql("made_objects"))}
    except (
        psycopg.errors.UndefinedTable,
        psycopg.errors.UndefinedColumn,
        psycopg.errors.InvalidSchemaName,
        psycopg.errors.InsufficientPrivilege,
    ):
        return set()


def _lost_column(snapshot: Snapshot, project: Project, relation: RollcallRelation) -> str | None:
    """Why the deployed view cannot be replaced by the declared one; None if it can."""
    try:
        with snapshot.connection.transaction():
            declared = _columns(snapshot, f"select * from ({project.sql(relation.name)}) as declared limit 0")
            deployed = _columns(snapshot, f'select * from "{relation.schema}"."{relation.name}" limit 0')
    except psycopg.Error:
        return None  # the view reads a missing or unreadable object: CREATE VIEW will show the error
    for position, column in enumerate(deployed):
        if position >= len(declared) or declared[position] != column:
            return (
                f"its column {column[0]} would go or change its type, and what depends on it would break;"
                " `rollcall detach` drops the view, after which it is made anew"
            )
    return None


def _columns(snapshot: Snapshot, query: str) -> list[tuple[str, int]]:
    description: Iterable[Any] = snapshot.connection.execute(cast(Any, query)).description or ()
    return [(column.name, column.type_code) for column in description]
