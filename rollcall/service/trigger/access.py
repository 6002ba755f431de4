"""The access to the trigger URL: its token and its limits."""

from __future__ import annotations

import hmac
import math
import os
import time
from collections import deque
from collections.abc import Callable

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from rollcall.errors import ConfigurationError

__all__ = ["TOKEN", "Access", "take_token"]

TOKEN = "ROLLCALL_TRIGGER_TOKEN"
SHORTEST_TOKEN = 16
MOST_REQUESTS = 10  # in a period: to start a run, and with a wrong token, each counted apart
PERIOD_SECONDS = 60.0


def take_token() -> str:
    """Take the token out of the environment, so that no other process inherits it.

    Raises:
        ConfigurationError: there is none, or it is too short or unprintable; no part of it is named.
    """
    token = os.environ.pop(TOKEN, "")
    if len(token) < SHORTEST_TOKEN or not (token.isascii() and token.isprintable() and " " not in token):
        wrong = "is not set" if not token else "is too short, or has other characters than visible ASCII"
        raise ConfigurationError(
            f"{TOKEN} {wrong}, and without a token every process could start a clean-up",
            f"set it in the environment to at least {SHORTEST_TOKEN} characters, such as those that"
            " `openssl rand -hex 32` prints",
        )
    return token


class Access:
    """Checks the token of a request, and limits how often it is used.

    Wrong tokens are counted apart, so that they cannot keep the right one out.
    """

    def __init__(self, token: str, now: Callable[[], float] = time.monotonic) -> None:
        self._expected = f"Bearer {token}".encode()
        self._refused = _Limit(now)
        self._starts = _Limit(now)

    def refusal(self, request: Request) -> Response | None:
        """The answer to a request without the token; none where it has it."""
        given = request.headers.get("authorization", "").encode("latin-1", "replace")
        if hmac.compare_digest(given, self._expected):
            return None
        if (seconds := self._refused.wait()) is not None:
            return _too_many(seconds)
        return JSONResponse(
            {"error": "The request has not the right token. Send it as `Authorization: Bearer TOKEN`."},
            401,
            {"WWW-Authenticate": 'Bearer realm="rollcall"'},
        )

    def too_many_starts(self) -> Response | None:
        """The answer to one request too many to start a run; none where it is not too many."""
        seconds = self._starts.wait()
        return None if seconds is None else _too_many(seconds)


class _Limit:
    """At most so many requests within a period that moves with the time."""

    def __init__(self, now: Callable[[], float]) -> None:
        self._now = now
        self._times: deque[float] = deque()

    def wait(self) -> float | None:
        """Count a request; or the seconds until the next one is counted."""
        now = self._now()
        while self._times and now - self._times[0] >= PERIOD_SECONDS:
            self._times.popleft()
        if len(self._times) >= MOST_REQUESTS:
            return PERIOD_SECONDS - (now - self._times[0])
        self._times.append(now)
        return None


def _too_many(seconds: float) -> Response:
    error = f"Too many requests: at most {MOST_REQUESTS} in {PERIOD_SECONDS:.0f} s are answered."
    return JSONResponse({"error": error}, 429, {"Retry-After": str(math.ceil(seconds))})
