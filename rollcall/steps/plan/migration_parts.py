"""The missing statements on the application's tables, as parts that a migration tool executes.

A part is one file of the tool: the statements that may share a transaction, or one concurrent index build.
A build in a file of its own can fail and be executed again without the files before it.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rollcall.errors import ConfigurationError
from rollcall.schema.declared import Statement
from rollcall.schema.grammar import grammar

__all__ = ["AddedColumn", "Part", "added_columns", "camel_case", "parts_of", "tables_of"]

KINDS = {"bool": "boolean", "int4": "integer", "timestamp": "timestamp", "timestamptz": "timestamptz"}
"""Types of PostgreSQL's grammar that a model can declare in every tool."""


@dataclass(frozen=True)
class Part:
    """Statements that one file executes.

    Attributes:
        name: of the file, from the first object.
        made_at: the instant in the file's name; each part has a later one than the part before.
        in_transaction: whether they share a transaction; else it is one concurrent index build.
    """

    name: str
    made_at: datetime
    statements: tuple[Statement, ...]
    in_transaction: bool

    @property
    def version(self) -> str:
        return f"{self.made_at:%Y%m%d%H%M%S}"

    @property
    def milliseconds(self) -> int:
        return round(self.made_at.timestamp() * 1000)

    @property
    def camel(self) -> str:
        return "".join(word.capitalize() for word in self.name.split("_"))


@dataclass(frozen=True)
class AddedColumn:
    """A column that a statement adds, for the model of a tool.

    Attributes:
        kind: boolean, integer, timestamp or timestamptz.
        precision: of a timestamp; None where none is declared.
        default: a constant as SQL text, or None.
    """

    schema: str
    table: str
    name: str
    kind: str
    precision: int | None
    default: str | None
    comment: str | None

    @property
    def object_name(self) -> str:
        return f"{self.schema}.{self.table}.{self.name}"

    @property
    def snake(self) -> str:
        return snake_case(self.name)

    @property
    def camel(self) -> str:
        return camel_case(self.name)


def snake_case(name: str) -> str:
    """A name of the database as a name in Python."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])|\W+", "_", name).strip("_").lower()


def camel_case(name: str) -> str:
    """A name of the database as a name in TypeScript and Java."""
    first, *rest = snake_case(name).split("_")
    return first + "".join(word.capitalize() for word in rest)


def parts_of(statements: Iterable[Statement], made_at: datetime) -> list[Part]:
    """Group the statements into parts, in their order.

    Args:
        made_at: the instant of the first part.
    """
    groups: list[list[Statement]] = []
    for statement in statements:
        if groups and statement.in_transaction and groups[-1][-1].in_transaction:
            groups[-1].append(statement)
        else:
            groups.append([statement])
    start = made_at.astimezone(UTC).replace(microsecond=0)
    return [
        Part(_name(group[0]), start + timedelta(seconds=number), tuple(group), group[0].in_transaction)
        for number, group in enumerate(groups)
    ]


def _name(first: Statement) -> str:
    if first.kind == "column":
        return "rollcall_columns"
    name = first.object_name.split(".", 1)[-1]
    plain = re.sub(r"\W+", "_", name).strip("_").lower()
    return plain if plain.startswith("rollcall") else f"rollcall_{plain}"


def added_columns(statements: Sequence[Statement]) -> list[AddedColumn]:
    """The columns that the statements add, with the comments that they set.

    Raises:
        ConfigurationError: a column's type is none that the tools' models have.
    """
    trees = [(item, grammar().parse(item.sql).stmts[0].stmt) for item in statements]
    comments = dict(_comment(tree.comment_stmt) for item, tree in trees if item.kind == "comment")
    return [
        column
        for item, tree in trees
        if item.kind == "column"
        for column in _columns(tree.alter_table_stmt, comments)
    ]


def tables_of(statements: Iterable[Statement]) -> list[str]:
    """The names of the tables that get a column or an index, without their schema."""
    trees = [grammar().parse(item.sql).stmts[0].stmt for item in statements if item.kind != "comment"]
    nodes = [getattr(tree, tree.WhichOneof("node")) for tree in trees]
    return sorted({node.relation.relname for node in nodes})


def _comment(node: Any) -> tuple[tuple[str, ...], str]:
    names = tuple(part.string.sval for part in node.object.list.items)
    return names, str(node.comment)


def _columns(node: Any, comments: dict[tuple[str, ...], str]) -> Iterator[AddedColumn]:
    schema, table = node.relation.schemaname, node.relation.relname
    for command in node.cmds:
        definition = getattr(command.alter_table_cmd, "def").column_def
        type_name = definition.type_name.names[-1].string.sval
        name = definition.colname
        if type_name not in KINDS:
            raise ConfigurationError(
                f"the column {schema}.{table}.{name} cannot be exported: its type is {type_name}",
                "write the migration by hand from `rollcall plan --sql`",
            )
        precisions = [item.a_const.ival.ival for item in definition.type_name.typmods]
        yield AddedColumn(
            schema=schema,
            table=table,
            name=name,
            kind=KINDS[type_name],
            precision=precisions[0] if precisions else None,
            default=_default(definition),
            comment=comments.get((schema, table, name)),
        )


def _default(definition: Any) -> str | None:
    for item in definition.constraints:
        constant = item.constraint.raw_expr.a_const
        if constant.HasField("boolval"):
            return "true" if constant.boolval.boolval else "false"
        if constant.HasField("ival"):
            return str(constant.ival.ival)
    return None
