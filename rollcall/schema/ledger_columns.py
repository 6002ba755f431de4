"""The columns that a ledger table of an earlier version lacks, by its declaration.

The DDL of the table's model is the only declaration. A missing column is added as declared, with one
difference: without a constant default it is nullable, because old rows have no value. A table that lacks a
key column, or has a column of another type, was not made by Rollcall.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from rollcall.dbt.project import RollcallRelation
from rollcall.schema.grammar import grammar

__all__ = ["declared_types", "missing_columns", "why_not_ours"]

PRIMARY_KEY = "CONSTR_PRIMARY"
DEFAULT = "CONSTR_DEFAULT"
KEPT = ("CONSTR_NOTNULL", "CONSTR_NULL", DEFAULT, "CONSTR_FOREIGN")


@dataclass(frozen=True)
class _Column:
    """A declared column. type_name: as in the catalog, such as ``int8`` or ``_text``."""

    type_name: str
    is_key: bool
    statement: str


def declared_types(table: RollcallRelation) -> dict[str, str]:
    """Map each declared column to its type in the catalog, such as ``int8`` or ``_text``."""
    return {name: column.type_name for name, column in _declared(table).items()}


def missing_columns(table: RollcallRelation, deployed: Mapping[str, str]) -> dict[str, str]:
    """Map each column that the deployed table lacks to the statement that adds it.

    Args:
        deployed: the table's columns with the names of their types.
    """
    return {name: column.statement for name, column in _declared(table).items() if name not in deployed}


def why_not_ours(table: RollcallRelation, deployed: Mapping[str, str]) -> str | None:
    """Why no version of Rollcall can have made the deployed table; None if one may have."""
    for name, column in _declared(table).items():
        if name not in deployed:
            if column.is_key:
                return f"it has no column {name}, which is its key"
        elif deployed[name] != column.type_name:
            return f"its column {name} is of the type {deployed[name]} and not {column.type_name}"
    return None


@cache
def _declared(table: RollcallRelation) -> Mapping[str, _Column]:
    """The declared columns of the table's DDL, by name."""
    tree = grammar().parse(table.statement).stmts[0].stmt.create_stmt
    keys = {
        key.string.sval
        for element in tree.table_elts
        if element.HasField("constraint") and _kind_of(element.constraint) == PRIMARY_KEY
        for key in element.constraint.keys
    }
    return {
        definition.colname: _Column(
            type_name="_" * bool(definition.type_name.array_bounds)
            + definition.type_name.names[-1].string.sval,
            is_key=definition.colname in keys
            or any(_kind_of(item.constraint) == PRIMARY_KEY for item in definition.constraints),
            statement=_statement(table, definition),
        )
        for definition in (
            element.column_def for element in tree.table_elts if element.HasField("column_def")
        )
    }


def _statement(table: RollcallRelation, definition: Any) -> str:
    """The statement that adds the column to a table with rows.

    A default that is not constant would give old rows a wrong value: it is set for new rows only.
    """
    postgast = grammar()
    named = f'alter table "{table.schema}"."{table.name}" add column x integer, alter column x set default 0'
    tree = postgast.parse(named)
    statement = tree.stmts[0].stmt.alter_table_stmt
    adding, defaulting = (command.alter_table_cmd for command in statement.cmds)
    added = getattr(adding, "def").column_def
    added.CopyFrom(definition)
    given = {_kind_of(item.constraint): item for item in definition.constraints}
    default = given[DEFAULT].constraint.raw_expr if DEFAULT in given else None
    is_constant = default is not None and default.WhichOneof("node") == "a_const"
    del added.constraints[:]
    for kind in KEPT:
        if kind in given and (is_constant or kind not in ("CONSTR_NOTNULL", DEFAULT)):
            added.constraints.append(given[kind])
    if default is not None and not is_constant:
        defaulting.name = definition.colname
        getattr(defaulting, "def").CopyFrom(default)
    else:
        del statement.cmds[1:]
    return str(postgast.deparse(tree))


def _kind_of(constraint: Any) -> str:
    descriptor = constraint.DESCRIPTOR.fields_by_name["contype"]
    return str(descriptor.enum_type.values_by_number[constraint.contype].name)
