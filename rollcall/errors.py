"""Every error that a user of Rollcall can cause or must act on, as a named type.

The command line prints ``error.text`` and leaves with ``error.exit_code``. ``str(error)`` has small
letters, as Python's own errors have, because other texts quote it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import ClassVar

# A path, a column, or a suite before its colon is no word; nor are programs and the verbs of a statement.
_FIRST_WORD = re.compile(r"(?:^|(?<=[.?!] ))[a-z][a-z-]*(?=[ ,;])", re.MULTILINE)
_NO_WORDS = frozenset({"dbt", "initdb", "libpq", "psql", "alter", "create", "drop", "grant"})


class RollcallError(Exception):
    """What happened, and what to do next.

    Args:
        message: what happened, to what; no secret, no final full stop needed.
        hint: what to do next; empty when nothing can be said.
    """

    exit_code: ClassVar[int] = 1

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message, hint)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return " ".join(_ended(part) for part in (self.message, self.hint) if part)

    @property
    def text(self) -> str:
        """Both parts as sentences, for a person: each begins with a capital letter."""
        parts = (_ended(part) for part in (self.message, self.hint) if part)
        return " ".join(_FIRST_WORD.sub(_capital, part) for part in parts)


class ConfigurationError(RollcallError):
    """Wrong usage, or a configuration that cannot work."""

    exit_code = 2


class ConfigurationProblems(ConfigurationError):
    """A configuration that does not fit the database, with every problem in a line of its own.

    Args:
        problems: what is wrong and what to do, each in one line; at least one.
        hint: what helps with all of them.
    """

    def __init__(self, problems: Sequence[str], hint: str = "") -> None:
        self.problems = tuple(problems)
        count = len(self.problems)
        lines = [_ended(problem) for problem in self.problems]
        super().__init__(
            lines[0] if count == 1 else "\n".join([f"{count} problems in the configuration:", *lines]), hint
        )


class EvaluationError(RollcallError):
    """The state of the database could not be judged."""


class ProofFailed(EvaluationError):
    """The proof of a run does not hold."""


class LedgerHidden(EvaluationError):
    """Our role may not read, or write, what a command needs of our own record."""


class ConnectionFailed(RollcallError):
    """No connection to the database could be made, or it was lost."""


class LeaseHeld(RollcallError):
    """Another run is at work on this database."""

    exit_code = 3


class Refused(RollcallError):
    """A safety promise forbids going on: conflict, plan drift or breaker."""

    exit_code = 4


class BreakerTripped(Refused):
    """An unattended run would have done what points at a broken feed; it changed nothing.

    Args:
        run_id: the run that was stopped, once it is recorded.
    """

    def __init__(self, message: str, hint: str = "", run_id: str = "") -> None:
        super().__init__(message, hint)
        self.run_id = run_id


class ServerError(RollcallError):
    """The PostgreSQL server that Rollcall runs itself could not be started, found or stopped."""


def _ended(text: str) -> str:
    text = text.strip()
    return text if text.endswith((".", "!", "?", ":")) else f"{text}."


def _capital(word: re.Match[str]) -> str:
    return word[0] if word[0] in _NO_WORDS else word[0][0].upper() + word[0][1:]
