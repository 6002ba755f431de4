"""The text of a `rollcall.yml` for a proposal, with the reason of each value beside it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from rollcall.steps.init.mapping import Choice, Mark, Proposal
from rollcall.steps.init.recognition import Recognised
from rollcall.steps.init.statuses import Undecided

__all__ = ["text_of_preset", "text_of_proposal"]

HEAD = """\
# Made by `rollcall init` from the catalog of the database {database}. Read it before you use it.
# guessed: by name and type; check it. {decide}: only a person knows; set it and remove the #.
# `rollcall config` shows every other setting. `rollcall assess` judges with this file and changes nothing.
"""
SECTIONS = {
    "tables": ("app_schema", "agents_table", "sessions_table", "calls_table"),
    "columns of the agents": ("agents_",),
    "columns of the sessions": ("sessions_",),
    "columns of the calls": ("calls_",),
    "statuses, directions and roles": ("",),
    "time": ("app_time_zone",),
}
WIDTH = 56


def text_of_preset(database: str, found: Recognised, others: list[Recognised]) -> str:
    """The file that chooses a preset."""
    lines = [HEAD.format(database=database, decide=Mark.DECIDE)]
    lines.append(f"preset: {found.preset}  # recognised: all of its tables and columns exist")
    if found.schema != "public":
        lines.append(f"app_schema: {found.schema}")
    lines += [f"# it fits the preset {other.preset} in the schema {other.schema} too" for other in others]
    return "\n".join(lines) + "\n"


def text_of_proposal(database: str, proposal: Proposal, undecided: Undecided) -> str:
    """The file of a proposed mapping."""
    remaining = dict(proposal.choices)
    lines = [HEAD.format(database=database, decide=Mark.DECIDE)]
    for title, prefixes in SECTIONS.items():
        names = [name for name in remaining if name.startswith(prefixes) and _is_in(title, name)]
        if names:
            lines.append(f"# --- {title} ---")
        lines += [_line(name, remaining.pop(name)) for name in names]
        if title.startswith("statuses"):
            lines += _undecided(undecided)
        lines += [""] if names else []
    return "\n".join(lines).rstrip() + "\n"


def _is_in(title: str, name: str) -> bool:
    if title.startswith("columns"):
        return name.endswith("_column") or name == "sessions_no_call"
    return title != "statuses, directions and roles" or name != "app_time_zone"


def _line(name: str, choice: Choice) -> str:
    value = _yaml(choice.value)
    given = f"{name}: {value}".rstrip()
    if choice.mark == Mark.DECIDE:
        given = f"# {given}" if choice.value is None else given
    return f"{given:<{WIDTH}}  # {choice.mark}: {_one_line(choice.reason)}"


def _undecided(undecided: Undecided) -> Iterator[str]:
    for column_var, values in undecided.items():
        shown = ", ".join(f"{_yaml(value)} ({rows} rows)" for value, rows in values.items())
        yield f"# {Mark.DECIDE}: put these values of {column_var} into a list above: {shown}"


def _yaml(value: Any) -> str:
    """A value in one line of YAML."""
    if isinstance(value, Mapping | list):
        return yaml.safe_dump(value, default_flow_style=True, width=10_000, sort_keys=False).strip()
    text = yaml.safe_dump(value, width=10_000, allow_unicode=True).strip()
    return text.removesuffix("...").strip()


def _one_line(text: str) -> str:
    return " ".join(text.split())
