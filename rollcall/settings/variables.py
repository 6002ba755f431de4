"""Vars as data: YAML of bounded size and depth, and values that no later reader can interpret.

dbt renders what a var holds as Jinja where a name of a table is made of it, libpq cannot send a NUL, and a
number beyond an integer or an interval of PostgreSQL fails in the middle of a run. Such values are refused
here. No message shows a value: a variable of the environment may hold a secret by mistake.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from typing import Any

import yaml

from rollcall.errors import ConfigurationError

__all__ = ["first_line", "problem_of_value", "read_yaml"]

MOST_CHARACTERS = 20_000
DEEPEST = 4  # a mapping of vars, a list of texts, and something to spare
LONGEST_TEXT = 1_000
JINJA = ("{{", "{%", "{#")
UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")  # control characters, lone surrogates, separators of lines
LARGEST_INTEGER = 2**31 - 1  # of PostgreSQL; no var counts further
LARGEST = {
    "_ms": LARGEST_INTEGER,  # a timeout of PostgreSQL is an integer in milliseconds
    "_seconds": LARGEST_INTEGER // 1_000,
    "_minutes": 10_000_000,  # 19 years: subtracted from now, it is still an instant of our era
    "_hours": 200_000,
    "_days": 10_000,
    "_rows": 10**15,
}


def read_yaml(text: str, source: str) -> dict[str, Any]:
    """The mapping of vars that a text holds; empty if there is no text.

    Args:
        source: where the text comes from, for messages.

    Raises:
        ConfigurationError: it is not YAML, too large, too deep, or no mapping.
    """
    if not text.strip():
        return {}
    example = f"write it like {source}='{{app_schema: crm, settle_minutes: 5}}'"
    try:
        problem = _problem_of_form(text)
        document = None if problem else yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{source} is not valid YAML ({first_line(error)})", example) from None
    except (ValueError, KeyError, AttributeError, TypeError):
        # a tag or a date that its own text does not fit; the text is not shown
        raise ConfigurationError(
            f"{source} is not valid YAML (a value does not fit its type)", example
        ) from None
    if problem:
        raise ConfigurationError(f"{source} {problem}", example)
    if not isinstance(document, dict):
        raise ConfigurationError(f"{source} must be a mapping of vars to values", example)
    return document


def _problem_of_form(text: str) -> str:
    """Why a text is not read at all; found without building what it describes."""
    if len(text) > MOST_CHARACTERS:
        return f"is longer than {MOST_CHARACTERS} characters"
    depth = 0
    for event in yaml.parse(text):
        if isinstance(event, yaml.AliasEvent):
            return "has an alias: write every value out"
        if isinstance(event, yaml.CollectionStartEvent):
            depth += 1
        elif isinstance(event, yaml.CollectionEndEvent):
            depth -= 1
        if depth > DEEPEST:
            return f"is nested deeper than {DEEPEST} levels"
    return ""


def first_line(error: BaseException) -> str:
    """One line of what a parser said, without the text that it was given."""
    problem = getattr(error, "problem", None)
    mark = getattr(error, "problem_mark", None)
    if problem and mark:
        return f"{problem}, line {mark.line + 1}, column {mark.column + 1}"
    return (str(error) or type(error).__name__).splitlines()[0]


def problem_of_value(name: str, value: object, default: object) -> str:
    """Why a value is not fit for its var; empty if it is."""
    wanted = _wanted(value, default)
    if wanted:
        return f"must be {wanted}, not {_kind_of(value)}"
    if isinstance(value, int | float):
        largest = _largest(name)
        return "" if value <= largest else f"must be a number of at most {largest}"
    return next(filter(None, map(_problem_of_text, _texts(value))), "")


def _wanted(value: object, default: object) -> str:
    """What a value must be and is not; empty if it is."""
    if isinstance(default, list):
        fits = isinstance(value, list) and all(isinstance(item, str) for item in value)
        return "" if fits else "a list of texts"
    if isinstance(default, str):
        return "" if isinstance(value, str) and value.strip() else "a text"
    fits = isinstance(value, int | float) and not isinstance(value, bool) and value > 0
    return "" if fits else "a number above zero"


def _largest(name: str) -> int:
    return next((most for unit, most in LARGEST.items() if name.endswith(unit)), LARGEST_INTEGER)


def _texts(value: object) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from value


def _problem_of_text(text: str) -> str:
    if len(text) > LONGEST_TEXT:
        return f"is longer than {LONGEST_TEXT} characters"
    if any(mark in text for mark in JINJA):
        return f"has a mark of Jinja in it ({', '.join(JINJA)})"
    if any(unicodedata.category(character) in UNPRINTABLE for character in text):
        return "has a control character in it"
    return ""


KINDS: Mapping[type, str] = {
    bool: "a truth value",
    int: "such a number",
    float: "such a number",
    str: "a text",
    list: "such a list",
    dict: "a mapping",
    type(None): "nothing",
}


def _kind_of(value: object) -> str:
    return KINDS.get(type(value), "another kind of value")
