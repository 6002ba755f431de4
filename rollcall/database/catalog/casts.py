"""Expressions that make a reference comparable with the key that it refers to."""

from __future__ import annotations

__all__ = ["cast_of_reference", "quoted"]

UUID = "^[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}$"
NUMBER = "^[0-9]{1,18}$"


def quoted(name: str) -> str:
    """A name as an identifier of SQL."""
    return name if name.isidentifier() and name == name.lower() else '"' + name.replace('"', '""') + '"'


def cast_of_reference(alias: str, column: str, key_type: str) -> dict[str, str]:
    """The mapping of a text column that refers to a uuid or a number; any other text refers to nothing.

    Args:
        alias: of the row, as in the vars.
    """
    pattern, kind = (UUID, "uuid") if key_type == "uuid" else (NUMBER, "bigint")
    text = f"{alias}.{quoted(column)}"
    return {"sql": f"case when {text} ~ '{pattern}' then {text}::{kind} end", "type": kind}
