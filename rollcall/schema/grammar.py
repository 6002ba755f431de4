"""Statements as syntax trees of PostgreSQL's own grammar.

The library of the grammar keeps a thread-specific key of the system for every thread that uses it, also after
the thread has ended. A process has 1,024 of them, and other libraries abort it where none is left. So no
short-lived thread parses a statement.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterator
from typing import Any

from rollcall.errors import Refused

__all__ = [
    "enum_of",
    "grammar",
    "kind_of",
    "names_of",
    "nodes_of",
    "parsed",
    "refusal",
    "shown_query",
    "walk",
]

SHOWN_CHARACTERS = 80


def parsed(sql: str) -> list[tuple[str, Any]]:
    """Split a text into statements with their syntax trees.

    Raises:
        Refused: the text cannot be parsed.
    """
    postgast = grammar()
    try:
        tree = postgast.parse(sql)
    except postgast.PgQueryError as error:
        raise refusal(sql, f"it cannot be parsed ({error})") from error
    source = sql.encode()
    statements = []
    for raw in tree.stmts:
        end = raw.stmt_location + raw.stmt_len if raw.stmt_len else len(source)
        text = source[raw.stmt_location : end].decode().strip()
        statements.append((text, getattr(raw.stmt, raw.stmt.WhichOneof("node"))))
    return statements


def shown_query(query: str) -> str:
    """Shorten a query of another session to one line without values and comments."""
    postgast = grammar()
    try:
        # a deparsed syntax tree has no comments; a query that the server truncated cannot be parsed
        query = postgast.normalize(postgast.deparse(postgast.parse(query)))
    except postgast.PgQueryError:
        query = re.sub(r"/[*].*?([*]/|$)|--[^\n]*", " ", query, flags=re.DOTALL)
        query = re.sub(r"(?i)e?'.*?('|$)|[$]\w*[$].*", "?", query, flags=re.DOTALL)
        query = re.sub(r"\b\d[\w.]*", "?", query)
    return _shortened(query)


def grammar() -> Any:
    """PostgreSQL's grammar from the postgast package, imported on first use."""
    return importlib.import_module("postgast")


def walk(node: Any) -> Iterator[Any]:
    """Every node of a syntax tree."""
    for _, child in grammar().walk(node):
        yield child


def nodes_of(node: Any, kind: str) -> Iterator[Any]:
    """The nodes of one kind in a syntax tree."""
    return (child for child in walk(node) if kind_of(child) == kind)


def kind_of(node: Any) -> str:
    """The name of a node's type in PostgreSQL's grammar, such as `ViewStmt`."""
    return str(type(node).__name__)


def enum_of(node: Any, field: str) -> str:
    """The name of an enum field's value."""
    descriptor = node.DESCRIPTOR.fields_by_name[field]
    return str(descriptor.enum_type.values_by_number[getattr(node, field)].name)


def names_of(node: Any) -> list[str]:
    """The parts of a qualified name: a list of strings, or one string."""
    kind = node.WhichOneof("node")
    if kind == "list":
        return [item.string.sval for item in node.list.items]
    return [node.string.sval]


def refusal(sql: str, reason: str) -> Refused:
    """The error for a statement that may not be sent. reason: why, in a clause."""
    return Refused(
        f"a statement is not on the allow-list: {reason} ({_shortened(sql)})",
        "nothing was sent; correct the model that declares it",
    )


def _shortened(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= SHOWN_CHARACTERS else f"{line[:SHOWN_CHARACTERS]}..."
