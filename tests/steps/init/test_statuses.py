"""The live statuses that `init` proposes: those of the rows, and the defaults that no row has now."""

from __future__ import annotations

import pytest

from rollcall.steps.init.mapping import Mark, Proposal
from rollcall.steps.init.relations import Values
from rollcall.steps.init.statuses import propose_statuses

DEFAULTS = {"live_call_statuses": ["initiated", "ringing", "connected"]}


def proposed(*statuses: str, is_complete: bool = False) -> Proposal:
    proposal = Proposal({}, {})
    values = Values(dict.fromkeys(statuses, 1), is_complete)
    propose_statuses(proposal, {"calls_status_column": values}, DEFAULTS)
    return proposal


@pytest.mark.parametrize(
    ("found", "live"),
    [
        (("connected", "completed"), ["connected", "initiated", "ringing"]),
        (("answered",), ["answered", "initiated", "ringing", "connected"]),
        (("RINGING", "Connected"), ["RINGING", "Connected", "initiated"]),
    ],
)
def test_a_live_default_that_no_row_has_now_is_kept(found: tuple[str, ...], live: list[str]) -> None:
    choice = proposed(*found).choices["live_call_statuses"]
    assert (choice.value, choice.mark) == (live, Mark.GUESSED)
    assert "and the defaults" in choice.reason


def test_an_enum_has_every_live_status() -> None:
    choice = proposed("answered", "completed", is_complete=True).choices["live_call_statuses"]
    assert choice.value == ["answered"]


def test_a_default_is_not_taken_for_the_status_of_a_conversation() -> None:
    assert proposed("answered", "completed").choices["connected_call_status"].value == "answered"


def test_without_a_live_status_the_defaults_hold_and_a_person_decides() -> None:
    choice = proposed("completed").choices["live_call_statuses"]
    assert (choice.value, choice.mark) == (None, Mark.DECIDE)
