"""Vars as data: YAML of bounded size, with values that are never interpreted.

dbt renders the value of a var as Jinja where it is part of a table name, libpq cannot send a NUL, and a
number beyond the range of PostgreSQL's integer or interval fails in the middle of a run. Such values are
refused here. No message shows a value: a variable of the environment may hold a secret by mistake.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import (
    AfterValidator,
    Field,
    StrictBool,
    StrictFloat,
    StrictInt,
    StrictStr,
    StringConstraints,
    ValidationError,
    create_model,
)
from pydantic_core import ErrorDetails

from rollcall.errors import ConfigurationError
from rollcall.settings.mapping import problem_of_mapping, problem_of_write, takes_mapping
from rollcall.settings.problems import PROBLEM, details_of, line, problem

__all__ = ["first_line", "problems_of_values", "read_yaml", "read_yaml_file"]

MOST_CHARACTERS = 20_000
DEEPEST = 4  # a mapping of vars, a list of texts, and two more levels
LONGEST_TEXT = 1_000
JINJA = ("{{", "{%", "{#")
UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")  # control characters, lone surrogates, separators of lines
LARGEST_INTEGER = 2**31 - 1  # of PostgreSQL
LARGEST = {
    "_ms": LARGEST_INTEGER,  # a timeout of PostgreSQL is an integer in milliseconds
    "_seconds": LARGEST_INTEGER // 1_000,
    "_minutes": 10_000_000,  # 19 years; now minus this is a valid timestamp
    "_hours": 200_000,
    "_days": 10_000,
    "_rows": 10**15,
}


def read_yaml(text: str, source: str, example: str = "") -> dict[str, Any]:
    """Read a mapping of vars from YAML; empty if there is no text.

    Args:
        source: the name of the source, for messages.
        example: how to write it; by default as a variable or an option.

    Raises:
        ConfigurationError: it is not YAML, too large, too deep, or no mapping.
    """
    if not text.strip():
        return {}
    example = example or f"write it like {source}='{{app_schema: crm, settle_minutes: 5}}'"
    try:
        unfit = _problem_of_form(text)
        document = None if unfit else yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigurationError(f"{source} is not valid YAML ({first_line(error)})", example) from None
    except (ValueError, KeyError, AttributeError, TypeError):
        # a tag or a date with an invalid text, which is not shown
        raise ConfigurationError(
            f"{source} is not valid YAML (a value does not fit its type)", example
        ) from None
    if unfit:
        raise ConfigurationError(f"{source} {unfit}", example)
    if not isinstance(document, dict):
        raise ConfigurationError(f"{source} must be a mapping of vars to values", example)
    return document


def read_yaml_file(path: Path) -> dict[str, Any]:
    """The mapping that a file holds; see `read_yaml`.

    Raises:
        ConfigurationError: the file cannot be read, or its text as in `read_yaml`.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise ConfigurationError(f"{path} cannot be read: {reason}", "correct the file") from None
    return read_yaml(text, str(path), "write one setting in a line, like `app_schema: crm`")


def _problem_of_form(text: str) -> str:
    """Why the YAML is refused by its form; found without building its values."""
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
    """The first line of a parser's message, without the parsed text."""
    problem = getattr(error, "problem", None)
    mark = getattr(error, "problem_mark", None)
    if problem and mark:
        return f"{problem}, line {mark.line + 1}, column {mark.column + 1}"
    return (str(error) or type(error).__name__).splitlines()[0]


def problems_of_values(
    given: Mapping[str, Any], defaults: Mapping[str, Any], origins: Mapping[str, str]
) -> Iterator[str]:
    """Describe each var whose value cannot work, one line each.

    Args:
        given: vars with a default; the type of the default is the type of the var.
        origins: the source of each value, for messages.
    """
    fields: Any = {name: (_type_of(name, defaults[name], value), ...) for name, value in given.items()}
    try:
        create_model("Vars", **fields).model_validate(given)
    except ValidationError as error:
        problems: dict[str, str] = {}
        for details in details_of(error):
            name = str(details["loc"][0])
            problems.setdefault(name, _described(name, given[name], defaults[name], details))
        for name, text in problems.items():
            yield line(f"var {name} {text}", f"correct it in {origins[name]}")


def _check_text(text: str) -> str:
    if any(mark in text for mark in JINJA):
        raise problem(f"has a mark of Jinja in it ({', '.join(JINJA)})")
    if any(unicodedata.category(character) in UNPRINTABLE for character in text):
        raise problem("has a control character in it")
    return text


AnyText = Annotated[StrictStr, StringConstraints(max_length=LONGEST_TEXT), AfterValidator(_check_text)]
Text = Annotated[AnyText, StringConstraints(pattern=r"\S")]


def _check_texts(value: Any) -> Any:
    """Check every text in a nested value."""
    if isinstance(value, str):
        return _check_text(value)
    if isinstance(value, Mapping):
        for inner in (*value, *value.values()):
            _check_texts(inner)
    return value


def _check_mapping(name: str, value: Any) -> Any:
    if found := problem_of_mapping(name, value):
        raise problem(found)
    return _check_texts(value)


def _check_writes(value: dict[str, Any]) -> dict[str, Any]:
    for column, written in value.items():
        if found := problem_of_write(column, written):
            raise problem(found)
    return value


def _type_of(name: str, default: object, value: object) -> Any:
    """The type of a var's default, within the range of PostgreSQL and libpq."""
    if takes_mapping(name) and (value is None or isinstance(value, dict)):
        return Annotated[Any, AfterValidator(lambda given: _check_mapping(name, given))]
    if isinstance(default, bool):
        return StrictBool
    if isinstance(default, dict):
        return Annotated[dict[Text, Any], AfterValidator(_check_writes)]
    if default is None:
        return AnyText | StrictInt | None
    if isinstance(default, list):
        return list[AnyText]
    if isinstance(default, str):
        return Text
    return Annotated[StrictInt | StrictFloat, Field(gt=0, le=_largest(name))]


def _largest(name: str) -> int:
    return next((most for unit, most in LARGEST.items() if name.endswith(unit)), LARGEST_INTEGER)


def _described(name: str, value: object, default: object, details: ErrorDetails) -> str:
    """Describe a problem without the value."""
    if details["type"] == PROBLEM:
        return details["msg"].removesuffix(".")
    if details["type"] == "string_unicode":  # a lone surrogate
        return "has a control character in it"
    if details["type"] == "string_too_long":
        return f"is longer than {LONGEST_TEXT} characters"
    if details["type"] == "less_than_equal":
        return f"must be a number of at most {_largest(name)}"
    return f"must be {_wanted(default)}, not {_kind_of(value)}"


def _wanted(default: object) -> str:
    """The kind of value that a var takes, from its default."""
    kinds = {str: "a text", list: "a list of texts", bool: "true or false", dict: "a mapping of columns"}
    return kinds.get(type(default), "a text, a number or null" if default is None else "a number above zero")


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
