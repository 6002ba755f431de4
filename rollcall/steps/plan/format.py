"""The format of a plan's lines, checked before any value of a plan is used.

A plan is input from outside: its hash shows that it is complete and proves nothing about its content. Each
line is one JSON document with exactly the declared fields; keys are text, instants have a time zone, and
no session and no statement appears twice.
"""

from __future__ import annotations

import json
import sqlite3
from datetime import datetime
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError

__all__ = ["FORMAT", "INSTANTS", "FormatError", "LineReader", "document_of", "read_header"]

FORMAT = 1
INSTANTS = ("made_at", "judged_at", "cutoff", "expires_at")
YEARS = range(1970, 9000)  # plus any interval of a var, they are valid timestamps of PostgreSQL


class FormatError(ValueError):
    """An invalid line of a plan: the field and the problem, without the value."""


def _with_time_zone(text: str) -> str:
    try:
        instant = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError("it is no instant like 2026-01-31T12:00:00+00:00") from None
    if instant.utcoffset() is None:
        raise ValueError("it has no time zone")
    if instant.year not in YEARS:
        raise ValueError(f"its year is not between {YEARS.start} and {YEARS.stop - 1}")
    return text


# PostgreSQL cannot store a NUL in text
Text = Annotated[str, Field(pattern=r"^[^\x00]*$")]
Instant = Annotated[str, AfterValidator(_with_time_zone)]
Digest = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Count = Annotated[int, Field(ge=0)]
Scalar = Text | bool | int | Annotated[float, Field(allow_inf_nan=False)] | None


class _Line(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")


class _Header(_Line):
    line: Literal["plan"]
    hash: Digest
    format: int
    database: Text
    database_oid: int
    system_identifier: Text | None
    made_at: Instant
    judged_at: Instant
    cutoff: Instant
    expires_at: Instant
    schema_: Annotated[Text, Field(alias="schema")]
    statement_count: Count
    change_count: Count
    remedies: dict[Text, Count]
    body: Digest


class _Statement(_Line):
    line: Literal["statement"]
    kind: Text
    object: Text
    sql: Text
    reason: Text
    lock: Text
    in_transaction: bool = True
    warning: Text | None = None


class _Image(_Line):
    status: Text | None
    current_call_id: Text | None
    logout_at: Text | None
    other: dict[Text, Scalar | dict[Text, Text]] | None = None


class _Change(_Line):
    line: Literal["change"]
    session_id: Text
    agent_id: Text | None
    rules: Annotated[list[Text], Field(min_length=1)]
    remedy: Text
    before: _Image
    after: _Image
    evidence: dict[Text, Scalar | list[Scalar]]


LINES: dict[str, type[_Line]] = {"statement": _Statement, "change": _Change}


def document_of(line: bytes) -> dict[str, Any]:
    """Parse the JSON object of one line.

    Raises:
        FormatError: the line is not one JSON object.
    """
    if line.find(b"\n") != len(line) - 1:
        raise FormatError("it is not one whole line")
    try:
        document = json.loads(line)
    except (ValueError, RecursionError):
        raise FormatError("it is not one JSON document") from None
    if not isinstance(document, dict):
        raise FormatError("it is not a JSON object")
    return document


def read_header(line: bytes) -> dict[str, Any]:
    """Parse the first line of a plan, with the hash.

    Raises:
        FormatError: a field is missing, unknown, or of another type.
    """
    document = document_of(line)
    _check(_Header, line)
    return document


class LineReader:
    """Read the lines after the header; repeated statements and sessions are errors.

    The keys are in a temporary database on disk, because a plan may have a million lines.
    """

    def __init__(self) -> None:
        self._seen = sqlite3.connect("")
        self._seen.execute("create table seen (line text primary key) without rowid")

    def read(self, line: bytes, session_id: str | None) -> dict[str, Any]:
        """Parse a line.

        Args:
            session_id: the key of a change; none for any other line.

        Raises:
            FormatError: a field is missing, unknown, or of another type, or the line repeats another.
        """
        document = document_of(line)
        model = LINES.get(str(document.get("line")))
        if model is None:
            raise FormatError("line: it is neither statement nor change")
        _check(model, line)
        if model is _Change:
            self._note("change", session_id or document["session_id"], "its session")
        else:
            self._note("statement", document["sql"], "its statement")
        return document

    def _note(self, kind: str, key: str, what: str) -> None:
        noted = self._seen.execute("insert or ignore into seen values (?)", [f"{kind} {key}"])
        if not noted.rowcount:
            raise FormatError(f"{what} appears in an earlier line too")


def _check(model: type[_Line], line: bytes) -> None:
    try:
        model.model_validate_json(line)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False, include_input=False)[0]
        where = ".".join(
            f"{part!s:.40}" for part in first["loc"] if isinstance(part, int) or part.isidentifier()
        )
        problem = first["msg"].removeprefix("Value error, ")
        raise FormatError(f"{where}: {problem}" if where else problem) from None
