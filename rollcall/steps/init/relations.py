"""The tables and views of a database, as a mapping sees them."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

import jinja2
import psycopg
from psycopg import sql

from rollcall.database.connections import Database, Row
from rollcall.database.session_settings import set_for_transaction
from rollcall.settings.configuration import PROJECT_DIRECTORY

__all__ = ["Column", "Relation", "Values", "plain", "read_relations", "read_values"]

FOLDER = PROJECT_DIRECTORY / "analyses" / "configuration"
TIMES = ("timestamp without time zone", "timestamp with time zone")
INTEGERS = ("smallint", "integer", "bigint")
TEXTS = ("text", "character varying", "character", "citext")


@dataclass(frozen=True)
class Column:
    """A column.

    Attributes:
        labels: of an enum.
        named: texts of the default and of CHECK constraints.
        referred: the oid of the table that a foreign key names.
    """

    name: str
    type: str
    labels: tuple[str, ...]
    named: tuple[str, ...]
    is_not_null: bool
    is_key: bool
    referred: int | None

    @property
    def is_time(self) -> bool:
        return self.type in TIMES

    @property
    def is_integer(self) -> bool:
        return self.type in INTEGERS

    @property
    def is_text(self) -> bool:
        return self.type in TEXTS or bool(self.labels)


@dataclass(frozen=True)
class Relation:
    """A table or a view with its columns, in their order."""

    oid: int
    schema: str
    name: str
    is_table: bool
    columns: dict[str, Column] = field(repr=False)

    def column(self, names: Sequence[str]) -> Iterator[Column]:
        """The columns with one of these plain names, in the order of the names."""
        by_name = {plain(column.name): column for column in self.columns.values()}
        yield from (by_name[name] for name in names if name in by_name)


@dataclass(frozen=True)
class Values:
    """The distinct values of a column.

    Attributes:
        counts: rows by value, the most frequent first; a value that only the catalog names has 0.
        is_complete: whether the catalog has every value, as that of an enum has.
    """

    counts: dict[str, int]
    is_complete: bool


def plain(name: str) -> str:
    """A name without case and punctuation."""
    return re.sub(r"[\W_]", "", name).lower()


def read_relations(database: Database) -> list[Relation]:
    """Read every table and view that the login role may see, from the catalog alone."""
    query = (FOLDER / "columns_of_database.sql").read_text(encoding="utf-8")
    with database.snapshot() as snapshot:
        rows = snapshot.rows(query)
    groups: dict[int, list[Row]] = defaultdict(list)
    for row in rows:
        groups[row["relation_oid"]].append(row)
    return [_relation(group) for group in groups.values()]


def _relation(rows: Sequence[Row]) -> Relation:
    first = rows[0]
    columns = {
        row["column_name"]: Column(
            name=row["column_name"],
            type=row["column_type"],
            labels=tuple(json.loads(row["enum_labels"])) if row["enum_labels"] else (),
            named=tuple(json.loads(row["named_values"])),
            is_not_null=row["is_not_null"],
            is_key=row["is_key"],
            referred=row["referred_oid"],
        )
        for row in rows
    }
    return Relation(
        first["relation_oid"], first["schema_name"], first["relation_name"], first["is_table"], columns
    )


def read_values(
    database: Database, relation: Relation, column: Column, most_rows: int, most_values: int, seconds: float
) -> Values | None:
    """Count the values of a column in its first rows.

    Args:
        most_rows: how many rows are read at most.
        most_values: a column with more values is none of statuses.
        seconds: the timeout of the statement.

    Returns:
        None where the column has too many values to be one of statuses. Of a column that cannot be read in
        time, those that the catalog names.
    """
    template = jinja2.Template((FOLDER / "distinct_values.sql").read_text(encoding="utf-8"))
    query = template.render(
        relation=sql.Identifier(relation.schema, relation.name).as_string(None),
        column=sql.Identifier(column.name).as_string(None),
    )
    try:
        with database.snapshot() as snapshot:
            limit = {"statement_timeout": f"{max(1, round(seconds * 1000))}ms"}
            set_for_transaction(snapshot.connection, limit)
            rows = snapshot.rows(query, [most_rows, most_values + 1])
    except (psycopg.errors.QueryCanceled, psycopg.errors.InsufficientPrivilege):
        rows = []
    if len(rows) > most_values and not column.labels:
        return None
    counts = {row["value"]: row["rows"] for row in rows}
    unseen = [value for value in (column.labels or column.named) if value not in counts]
    return Values({**counts, **dict.fromkeys(unseen, 0)}, bool(column.labels))
