"""A hold is waited for and reported; a hold that lasts, and refusals in a row, stop the work."""

from __future__ import annotations

from collections.abc import Sequence

from rollcall.steps.batches.holds import HoldPolicy

PAUSED = "paused: flag pause_cleaning is on"


class Surroundings:
    """What a policy asks and tells; `reasons` is consumed with each look."""

    def __init__(self, *reasons: Sequence[str], hold_max_minutes: float = 10, refusals_in_a_row_max: int = 3):
        self.reasons = list(reasons)
        self.looks = 0
        self.pauses: list[float] = []
        self.told: list[str | None] = []
        self.is_over = False
        settings = {"hold_max_minutes": hold_max_minutes, "refusals_in_a_row_max": refusals_in_a_row_max}
        self.policy = HoldPolicy(
            self.read, self.pauses.append, lambda: self.is_over, self.told.append, settings
        )

    def read(self) -> Sequence[str]:
        self.looks += 1
        return self.reasons.pop(0) if self.reasons else []


def test_without_a_reason_the_work_goes_on_and_nothing_is_told() -> None:
    around = Surroundings()
    assert around.policy.reason_to_stop() is None
    assert (around.looks, around.pauses, around.told) == (1, [], [])


def test_the_database_is_not_asked_before_every_batch() -> None:
    around = Surroundings()
    for _ in range(100):
        around.policy.reason_to_stop()
    assert around.looks < 10


def test_a_hold_is_waited_for_and_reported_until_it_is_over() -> None:
    around = Surroundings([PAUSED], [PAUSED, "a replica is behind"], [])
    assert around.policy.reason_to_stop() is None
    assert around.told == [PAUSED, f"{PAUSED}; a replica is behind", None]
    assert len(around.pauses) == 2


def test_a_hold_that_lasts_too_long_stops_the_work_for_good() -> None:
    around = Surroundings([PAUSED], [PAUSED], hold_max_minutes=0)
    reason = around.policy.reason_to_stop()
    assert reason == f"held for 0 minutes: {PAUSED}"
    assert around.policy.reason_to_stop() == around.policy.stopped == reason


def test_when_the_run_ends_the_hold_ends() -> None:
    around = Surroundings([PAUSED], [PAUSED])
    around.is_over = True
    assert around.policy.reason_to_stop() is None
    assert around.pauses == []


def test_refusals_in_a_row_stop_the_work_and_a_change_between_them_does_not() -> None:
    around = Surroundings(refusals_in_a_row_max=3)
    for _ in range(2):
        around.policy.count_refusal()
    around.policy.reset_refusals()
    for _ in range(2):
        around.policy.count_refusal()
    assert around.policy.reason_to_stop() is None
    around.policy.count_refusal()
    assert around.policy.reason_to_stop() == "not tried: the database refused 3 sessions in a row"
