"""Retries: what is waited for, how often a lock is tried, and the budget that statements share."""

from __future__ import annotations

import itertools

import pytest

from rollcall.database.retries import LockRetries, poll


class Locked(Exception):
    pass


def retries(attempts: int = 3, budget: float = 60) -> LockRetries:
    return LockRetries((Locked,), attempts=attempts, first_pause=0.001, longest_pause=0.001, budget=budget)


def attempts_of(policy: LockRetries, failures: int, error: type[BaseException] = Locked) -> int:
    """How often a statement is sent that fails so many times; its last error is raised."""
    sent = 0
    for attempt in policy:
        with attempt:
            policy.begin()
            sent += 1
            if sent <= failures:
                raise error(f"attempt {sent}")
    return sent


def test_a_condition_is_waited_for() -> None:
    looks = itertools.count()
    assert poll(lambda: next(looks) == 3, seconds=60, pause=0.001) is True
    assert next(looks) == 4


def test_the_last_look_is_given_when_the_time_is_over() -> None:
    looks = itertools.count()
    assert poll(lambda: next(looks), seconds=0, pause=60, is_done=lambda count: count == 9) == 0
    assert next(looks) == 1, "one look is made in any case, and no pause after the last"


def test_an_error_ends_a_wait() -> None:
    def fail() -> bool:
        raise Locked

    with pytest.raises(Locked):
        poll(fail, seconds=60, pause=0.001)


def test_a_lock_is_tried_so_many_times() -> None:
    assert attempts_of(retries(3), failures=2) == 3
    with pytest.raises(Locked, match="attempt 3"):
        attempts_of(retries(3), failures=3)


def test_another_error_is_raised_at_once() -> None:
    with pytest.raises(KeyError, match="attempt 1"):
        attempts_of(retries(3), failures=2, error=KeyError)
    with pytest.raises(KeyboardInterrupt):
        attempts_of(retries(3), failures=2, error=KeyboardInterrupt)


def test_statements_share_one_budget() -> None:
    policy = retries(3, budget=0)
    assert attempts_of(policy, failures=0) == 1, "an attempt that succeeds costs nothing"
    for _ in range(2):
        with pytest.raises(Locked, match="attempt 1"):
            attempts_of(policy, failures=1)
