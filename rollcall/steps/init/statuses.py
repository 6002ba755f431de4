"""Sort the statuses that the data has into the lists of the configuration, by their names."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rollcall.steps.init.mapping import Choice, Mark, Proposal
from rollcall.steps.init.relations import Values, plain
from rollcall.steps.init.words import first_word, meaning_of, words

__all__ = ["Undecided", "propose_statuses"]

SECTIONS = {
    "sessions_status_column": "statuses",
    "calls_status_column": "calls",
    "calls_direction_column": "directions",
}
SINGLE = {
    "available_statuses": "available_status",
    "on_call_statuses": "on_call_status",
    "break_statuses": "break_status",
}
MAY_BE_EMPTY = ("other_working_statuses", "over_call_statuses", "inbound_directions", "outbound_directions")
Undecided = dict[str, dict[str, int]]
"""By column var: the values with an unknown meaning, and their rows."""


def propose_statuses(
    proposal: Proposal, values: Mapping[str, Values | None], defaults: Mapping[str, Any]
) -> Undecided:
    """Add a choice for every list of statuses, directions and roles.

    Args:
        values: by column var, of the columns of statuses, directions and roles.
        defaults: the vars without the proposal.

    Returns:
        the values that no list has; a person has to sort them.
    """
    undecided: Undecided = {}
    for column_var, section in SECTIONS.items():
        found = values.get(column_var)
        if found is None:
            continue
        lists: dict[str, list[str]] = {var: [] for var in words()[section]}
        unknown = {}
        for value, rows in found.counts.items():
            var = meaning_of(section, value)
            if var is None:
                unknown[value] = rows
            else:
                lists[var].append(value)
        if unknown:
            undecided[column_var] = unknown
        for var, listed in lists.items():
            proposal.choices.update(_choices_of_list(var, listed, found.is_complete))
    _choose_connected(proposal)
    _keep_live_defaults(proposal, values.get("calls_status_column"), defaults["live_call_statuses"])
    _choose_closed(proposal)
    _choose_roles(proposal, values.get("agents_role_column"))
    return undecided


def _choices_of_list(var: str, listed: list[str], is_complete: bool) -> dict[str, Choice]:
    reason = (
        "by name, of the labels of the enum" if is_complete else "by name, of the values in the first rows"
    )
    if len(listed) == 1 and var in SINGLE:
        return {SINGLE[var]: Choice(listed[0], Mark.GUESSED, reason)}
    if listed and var in SINGLE:
        first = first_word(words()["statuses"][var], listed)
        ordered = [first, *(value for value in listed if value != first)]
        return {var: Choice(ordered, Mark.GUESSED, f"{reason}; Rollcall writes the first")}
    if listed or (is_complete and var in MAY_BE_EMPTY):
        return {var: Choice(listed, Mark.GUESSED, reason)}
    if var in MAY_BE_EMPTY:
        return {}  # the default stays: statuses that no row has now may come
    return {SINGLE.get(var, var): Choice(None, Mark.DECIDE, "no value has a name that is known for it")}


def _choose_connected(proposal: Proposal) -> None:
    live = proposal.choices.get("live_call_statuses")
    if live is None or live.value is None:
        return
    found = first_word(words()["connected"], live.value)
    proposal.choices["connected_call_status"] = (
        Choice(found, Mark.GUESSED, "of the live statuses, by name")
        if found
        else Choice(None, Mark.DECIDE, "the live status of a call in which two people talk")
    )


def _keep_live_defaults(proposal: Proposal, values: Values | None, defaults: list[str]) -> None:
    """Keep the default live statuses beside those that were found, unless an enum has all statuses.

    The first rows of a quiet hour do not have every live status.
    """
    live = proposal.choices.get("live_call_statuses")
    if values is None or values.is_complete or live is None or live.value is None:
        return
    found = {plain(status) for status in live.value}
    kept = [status for status in defaults if plain(status) not in found]
    reason = f"{live.reason}, and the defaults; add each other status of a call that goes on"
    proposal.choices["live_call_statuses"] = Choice([*live.value, *kept], live.mark, reason)


def _choose_closed(proposal: Proposal) -> None:
    closed = proposal.choices.get("not_working_statuses")
    if closed is None or closed.value is None:
        return
    found = first_word(words()["statuses"]["not_working_statuses"], closed.value)
    proposal.choices["closed_status"] = (
        Choice(found, Mark.GUESSED, "what Rollcall writes when it closes a session")
        if found
        else Choice(None, Mark.DECIDE, "what Rollcall writes when it closes a session")
    )


def _choose_roles(proposal: Proposal, values: Values | None) -> None:
    if values is None:
        return
    found = [value for value in values.counts if meaning_of_role(value)]
    proposal.choices["agent_roles"] = (
        Choice(found, Mark.GUESSED, "by name")
        if found
        else Choice(None, Mark.DECIDE, f"the roles that take calls; there are {', '.join(values.counts)}")
    )


def meaning_of_role(value: str) -> bool:
    """Whether a role is one of agents, by its name."""
    return first_word(words()["roles"], [value]) is not None
