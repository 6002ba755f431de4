"""Convert errors of pydantic models to lines with problem, place and remedy."""

from __future__ import annotations

from collections.abc import Iterator

from pydantic import ValidationError
from pydantic_core import ErrorDetails, PydanticCustomError

from rollcall.errors import ConfigurationError

__all__ = ["PROBLEM", "details_of", "line", "problem"]

PROBLEM = "rollcall_problem"


def line(message: str, hint: str = "") -> str:
    """A problem and its remedy, in one line."""
    return str(ConfigurationError(message, hint))


def problem(message: str, hint: str = "") -> PydanticCustomError:
    """An error for a validator to raise; its text is shown unchanged."""
    return PydanticCustomError(PROBLEM, "{text}", {"text": line(message, hint)})


def details_of(error: ValidationError) -> Iterator[ErrorDetails]:
    """Every problem of a validation, in the order of the fields."""
    yield from error.errors(include_url=False)
