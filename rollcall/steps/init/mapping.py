"""Choose the tables and columns that most likely hold agents, sessions and calls."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rollcall.database.catalog.casts import cast_of_reference, quoted
from rollcall.settings.mapping import ALIASES, DECLARED, NULLABLE
from rollcall.steps.init.relations import Column, Relation
from rollcall.steps.init.words import weight_of, words

__all__ = ["PARTS", "Choice", "Mark", "Proposal", "candidates", "propose_columns"]

PARTS = ("sessions", "agents", "calls")
ENDINGS_OF_TIMES = ("_at_column", "last_activity_column", "last_heartbeat_column")
FLAGS = ("agents_is_active_column", "agents_is_ai_agent_column", "sessions_device_connected_column")
TEXTS = ("agents_role_column", "sessions_status_column", "calls_status_column", "calls_direction_column")


class Mark:
    """How sure a choice is: read from the catalog, guessed, or for a person to decide."""

    FOUND = "found"
    GUESSED = "guessed"
    DECIDE = "DECIDE"


@dataclass(frozen=True)
class Choice:
    """The proposed value of a var, with the reason."""

    value: Any
    mark: str
    reason: str


@dataclass
class Proposal:
    """A mapping: the relations by part, and the choices by var in the order of the file."""

    relations: dict[str, Relation | None]
    choices: dict[str, Choice] = field(default_factory=dict)

    def column(self, var: str) -> Column | None:
        """The column that a var maps to, if it is a plain one."""
        relation = self.relations[var.split("_", 1)[0]]
        choice = self.choices.get(var)
        value = choice.value if choice else None
        name = value.get("column") if isinstance(value, Mapping) else value
        return relation.columns.get(name) if relation and isinstance(name, str) else None


def candidates(relations: Sequence[Relation], part: str, sessions: Relation | None = None) -> list[Relation]:
    """The relations that may be a part, the likeliest first.

    Args:
        sessions: the chosen sessions table, whose foreign keys name the agents.
    """
    scored = [(_score(relation, part, sessions), relation) for relation in relations]
    return [
        relation
        for score, relation in sorted(scored, key=lambda item: (-item[0], item[1].schema, item[1].name))
        if score > 0
    ]


def _score(relation: Relation, part: str, sessions: Relation | None) -> float:
    if part == "sessions" and not relation.is_table:
        return 0
    score = float(weight_of(part, relation.name))
    names = words()["columns"]
    no_evidence = (f"{part}_id_column", *DECLARED)
    wanted = [var for var in names if var.startswith(f"{part}_") and var not in no_evidence]
    found = [var for var in wanted if _fitting(relation, var)]
    if f"{part}_status_column" in wanted and f"{part}_status_column" not in found:
        return 0
    if part == "agents" and sessions is not None:
        referred = {column.referred for column in sessions.columns.values()}
        if relation.oid in referred:
            score += 6
    return score + len(found) if score > 0 else 0


def _fitting(relation: Relation, var: str) -> Column | None:
    """The first column with a known name and a type that the var can take."""
    return next((column for column in relation.column(words()["columns"][var]) if _fits(column, var)), None)


def _fits(column: Column, var: str) -> bool:
    if var.endswith(ENDINGS_OF_TIMES):
        return column.is_time or column.type == "bigint"
    if var in FLAGS:
        return column.type == "boolean"
    if var in TEXTS:
        return column.is_text
    return True


def propose_columns(proposal: Proposal) -> None:
    """Add a choice for every column var of the chosen relations."""
    for part in ("agents", "sessions", "calls"):
        relation = proposal.relations[part]
        if relation is None:
            continue
        for var in words()["columns"]:
            if var.startswith(f"{part}_"):
                choice = _choice(proposal, relation, part, var)
                if choice is not None:
                    proposal.choices[var] = choice
    _compare_reference(proposal)
    _propose_no_call(proposal)


def _choice(proposal: Proposal, relation: Relation, part: str, var: str) -> Choice | None:
    if var.endswith("_agent_id_column") and (column := _foreign_key(proposal, relation)):
        return Choice(column.name, Mark.FOUND, "foreign key to the agents")
    if var.endswith("s_id_column") and (key := _key(relation, var)):
        return Choice(key.name, Mark.FOUND, "unique")
    column = _fitting(relation, var)
    if column is not None:
        return _of_column(column, part, var)
    if var in DECLARED:
        return None  # `migrate` adds it under its own name
    if var in NULLABLE:
        return Choice(None, Mark.GUESSED, f"{relation.name} has no such column")
    return Choice(None, Mark.DECIDE, f"no column of {relation.name} looks like it: name one")


def _of_column(column: Column, part: str, var: str) -> Choice:
    if var.endswith(ENDINGS_OF_TIMES) and not column.is_time:
        expression = f"to_timestamp({ALIASES[part]}.{quoted(column.name)})"
        return Choice(
            {"sql": expression, "type": "timestamptz"}, Mark.GUESSED, "seconds since 1970, by name and type"
        )
    return Choice(column.name, Mark.GUESSED, "by name and type")


def _foreign_key(proposal: Proposal, relation: Relation) -> Column | None:
    agents = proposal.relations["agents"]
    if agents is None or agents.oid == relation.oid:
        return None
    found = [column for column in relation.columns.values() if column.referred == agents.oid]
    named = list(relation.column(words()["columns"]["sessions_agent_id_column"]))
    return next((column for column in named if column in found), found[0] if len(found) == 1 else None)


def _key(relation: Relation, var: str) -> Column | None:
    keys = [column for column in relation.columns.values() if column.is_key]
    named = [column for column in relation.column(words()["columns"][var]) if column in keys]
    return named[0] if named else (keys[0] if len(keys) == 1 else None)


def _compare_reference(proposal: Proposal) -> None:
    """Cast a reference of the type text whose key is a number or a uuid."""
    reference, key = proposal.column("sessions_call_id_column"), proposal.column("calls_id_column")
    if reference is None or key is None or not reference.is_text or key.is_text:
        return
    cast = cast_of_reference("session", reference.name, key.type)
    proposal.choices["sessions_call_id_column"] = Choice(
        {"column": reference.name, **cast},
        Mark.GUESSED,
        f"the reference is a text and the key {key.type}: compared as {cast['type']}",
    )


def _propose_no_call(proposal: Proposal) -> None:
    """Propose what the reference is without a call, where it cannot be null."""
    reference = proposal.column("sessions_call_id_column")
    if reference is None or not reference.is_not_null:
        return
    proposal.choices["sessions_no_call"] = (
        Choice("", Mark.GUESSED, f"{reference.name} does not take null")
        if reference.is_text
        else Choice(None, Mark.DECIDE, f"{reference.name} does not take null: what it is without a call")
    )
