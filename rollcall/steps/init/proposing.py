"""Make a proposal for a database: recognise a preset, or choose tables, columns and statuses."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollcall.database.connections import Database
from rollcall.errors import ConfigurationError
from rollcall.steps.init.file import text_of_preset, text_of_proposal
from rollcall.steps.init.mapping import PARTS, Choice, Mark, Proposal, candidates, propose_columns
from rollcall.steps.init.recognition import recognise
from rollcall.steps.init.relations import Relation, Values, read_relations, read_values
from rollcall.steps.init.statuses import Undecided, propose_statuses

__all__ = ["Ask", "Outcome", "propose"]

Ask = Callable[[str, Sequence[str]], str]
"""Choose one of several texts; the first is the proposal."""

VALUE_VARS = (
    "sessions_status_column",
    "calls_status_column",
    "calls_direction_column",
    "agents_role_column",
)
NO_TABLE = "none of these"


@dataclass(frozen=True)
class Outcome:
    """The text of `rollcall.yml`, and how many choices are found, guessed and left to a person."""

    text: str
    preset: str | None
    found: int
    guessed: int
    to_decide: int


def propose(
    database: Database, variables: dict[str, Any], preset_folders: Sequence[Path], ask: Ask
) -> Outcome:
    """Propose a configuration, from the catalog and the counts of statuses.

    Args:
        variables: the defaults: the bounds of the reading, and the live statuses of calls.
        preset_folders: folders of presets.
        ask: decides between candidates.

    Raises:
        ConfigurationError: no table looks like one of agents' sessions.
    """
    relations = read_relations(database)
    recognised = recognise(relations, preset_folders)
    if recognised:
        names = [f"preset {item.preset} in schema {item.schema}" for item in recognised]
        answer = ask("The database fits a preset", [*names, NO_TABLE])
        if answer != NO_TABLE:
            chosen = recognised[names.index(answer)]
            others = [item for item in recognised if item is not chosen]
            return Outcome(text_of_preset(database.name, chosen, others), chosen.preset, 1, 0, 0)
    proposal = _tables(relations, ask)
    propose_columns(proposal)
    values = {var: _values(database, variables, proposal, var) for var in VALUE_VARS}
    undecided = propose_statuses(proposal, values, variables)
    _time_zone(proposal)
    return _outcome(database, proposal, undecided)


def _tables(relations: Sequence[Relation], ask: Ask) -> Proposal:
    """Choose the sessions table, then agents and calls of its schema."""
    chosen: dict[str, Relation | None] = {}
    choices: dict[str, Choice] = {}
    for part in PARTS:
        sessions = chosen.get("sessions")
        near = [item for item in relations if sessions is None or item.schema == sessions.schema]
        found = candidates(near, part, sessions)
        names = [f"{item.schema}.{item.name}" for item in found[:5]]
        answer = ask(f"Table of the {part}", [*names, NO_TABLE]) if names else NO_TABLE
        relation = found[names.index(answer)] if answer != NO_TABLE else None
        if part == "sessions" and relation is None:
            raise ConfigurationError(
                "no table looks like one of agents' sessions: none with a status and a known name",
                "write rollcall.yml by hand; docs/fit-your-database.md shows how",
            )
        if part == "agents" and relation is None:
            relation = chosen["sessions"]  # one table may be both
        chosen[part] = relation
        choices[f"{part}_table"] = _choice_of_table(relation, part, names)
    sessions = chosen["sessions"]
    assert sessions is not None
    schema = Choice(sessions.schema, Mark.FOUND, "the schema of the sessions table")
    return Proposal(chosen, {"app_schema": schema, **choices})


def _choice_of_table(relation: Relation | None, part: str, names: Sequence[str]) -> Choice:
    if relation is None:
        return Choice(None, Mark.GUESSED, "no table of calls was found: no calls are known")
    others = [name for name in names if name != f"{relation.schema}.{relation.name}"]
    reason = f"by name and columns{'; or ' + ', '.join(others) if others else ''}"
    return Choice(relation.name, Mark.GUESSED, reason)


def _values(database: Database, variables: dict[str, Any], proposal: Proposal, var: str) -> Values | None:
    """The values of a column var, if it maps to a text column."""
    column, relation = proposal.column(var), proposal.relations[var.split("_", 1)[0]]
    if column is None or relation is None:
        return None
    return read_values(
        database,
        relation,
        column,
        variables["init_values_rows"],
        variables["init_values_most"],
        variables["init_timeout_seconds"],
    )


def _time_zone(proposal: Proposal) -> None:
    """Leave the time zone to a person where a column has none of its own."""
    columns = [proposal.column(var) for var in proposal.choices if var.endswith("_column")]
    naive = sorted(
        {column.name for column in columns if column and column.type == "timestamp without time zone"}
    )
    if naive:
        reason = f"the zone in which the application writes {', '.join(naive)}"
        proposal.choices["app_time_zone"] = Choice("UTC", Mark.DECIDE, reason)


def _outcome(database: Database, proposal: Proposal, undecided: Undecided) -> Outcome:
    marks = [choice.mark for choice in proposal.choices.values()]
    return Outcome(
        text=text_of_proposal(database.name, proposal, undecided),
        preset=None,
        found=marks.count(Mark.FOUND),
        guessed=marks.count(Mark.GUESSED),
        to_decide=marks.count(Mark.DECIDE) + len(undecided),
    )
