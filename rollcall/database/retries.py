"""Wait for a condition, and retry statements that a lock has stopped."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import tenacity
from tenacity.stop import stop_base

__all__ = ["LockRetries", "poll"]

T = TypeVar("T")


def poll(
    look: Callable[[], T],
    *,
    seconds: float,
    pause: float,
    is_done: Callable[[T], bool] = bool,
) -> T:
    """Look again and again until a result is the one that is waited for.

    Args:
        look: gives the result; an exception ends the wait.
        seconds: how long to wait; at least one look is made.
        pause: seconds between two looks.
        is_done: whether a result is the wanted one; by default whether it is true.

    Returns:
        the last result, wanted or not.
    """
    retrying = tenacity.Retrying(
        retry=tenacity.retry_if_result(lambda found: not is_done(found)),
        stop=tenacity.stop_after_delay(seconds),
        wait=tenacity.wait_fixed(pause),
        sleep=time.sleep,
    )
    try:
        return retrying(look)
    except tenacity.RetryError as over:
        last: T = over.last_attempt.result()
        return last


class LockRetries(stop_base):
    """Attempts to get a lock, with growing random pauses and one common budget.

    Args:
        errors: the exceptions after which a statement is sent again.
        attempts: how often one statement is sent at most.
        first_pause: doubled with each attempt, the upper bound of the pause after it, in seconds.
        longest_pause: the upper bound of every pause, in seconds.
        budget: how long all failed attempts and the pauses may take together, in seconds.
    """

    def __init__(
        self,
        errors: tuple[type[Exception], ...],
        *,
        attempts: int,
        first_pause: float,
        longest_pause: float,
        budget: float,
    ) -> None:
        self._errors = errors
        self._attempts = attempts
        self._wait = tenacity.wait_random_exponential(multiplier=2 * first_pause, max=longest_pause)
        self._seconds_left = budget
        self._started = 0.0

    def __iter__(self) -> Iterator[tenacity.AttemptManager]:
        """The attempts for one statement; the last error is raised when they are used up."""
        return iter(
            tenacity.Retrying(
                retry=tenacity.retry_if_exception_type(self._errors),
                stop=self,
                wait=self._wait,
                reraise=True,
                sleep=time.sleep,
            )
        )

    def begin(self) -> None:
        """Start the clock of an attempt: from here on it counts against the budget."""
        self._started = time.monotonic()

    def __call__(self, state: tenacity.RetryCallState) -> bool:
        """Count a failed attempt and its pause. Gives whether it was the last one."""
        self._seconds_left -= time.monotonic() - self._started + state.upcoming_sleep
        return state.attempt_number >= self._attempts or self._seconds_left < 0
