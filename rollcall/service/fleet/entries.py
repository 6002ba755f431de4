"""The file of a fleet: which databases there are, and how many are judged at once."""

from __future__ import annotations

import os
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, Self

import yaml
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    PositiveInt,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_core import ErrorDetails

from rollcall.database.conninfo import read_conninfo
from rollcall.errors import ConfigurationError, ConfigurationProblems
from rollcall.settings.problems import PROBLEM, details_of, line, problem
from rollcall.settings.user_file import refuse_strangers
from rollcall.settings.variables import first_line

__all__ = ["Entry", "Fleet", "Reference", "host_of", "read_fleet"]

MOST_BYTES = 2_000_000
LOCAL = "this machine"
SECRET = re.compile("password|secret")  # in the names of libpq's parameters

NAME = r"^[a-z0-9][a-z0-9_.-]{0,62}$"
Name = Annotated[str, StringConstraints(pattern=NAME)]
Variable = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Reference(_Strict):
    """The URL of a database, or where it is kept: one of `url`, `env`, a variable, and `file` is set.

    In the file of a fleet a plain text is a `url`. It has no password.
    """

    url: str | None = None
    env: Variable | None = None
    file: Path | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain_text(cls, value: Any) -> Any:
        return {"url": value} if isinstance(value, str) else value

    @model_validator(mode="after")
    def _exactly_one(self) -> Self:
        if sum(given is not None for given in (self.url, self.env, self.file)) != 1:
            raise problem("a reference has `env` or `file`", "name the variable or the file with the URL")
        if self.url is not None and _may_hold_a_secret(self.url):
            raise problem(
                "the URL holds a password, or cannot be read",
                "Write `url: {env: NAME}` or `url: {file: PATH}`, and keep the URL there",
            )
        return self

    def resolve(self, folder: Path, environment: Mapping[str, str]) -> str:
        """The URL itself; it may hold a password and is never shown.

        Args:
            folder: relative paths begin here.

        Raises:
            ConfigurationError: the variable is not set, or the file cannot be read; both are named.
        """
        if self.url is not None:
            return self.url
        if self.env is not None:
            url = environment.get(self.env, "").strip()
            if not url:
                raise ConfigurationError(f"the variable {self.env} is not set", "set it to the URL")
            return url
        path = folder / str(self.file)
        try:
            url = path.read_text(encoding="utf-8").strip()
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is no UTF-8"
            raise ConfigurationError(f"{path} cannot be read: {reason}", "correct `file`") from None
        if not url:
            raise ConfigurationError(f"{path} is empty", "write the URL into it")
        return url


class Entry(_Strict):
    """A database of the fleet.

    Attributes:
        name: small letters, digits and ``_ . -``; the same in every run, because the trend goes by it.
        url: a URL without a password, or a reference to one.
        owner: the team that is named beside a result.
        config: its `rollcall.yml`; without it the one beside the fleet's file, if there is one.
        preset: the preset of its application.
        variables: vars, as in ``ROLLCALL_VARS``; they win over file and preset.
        deadline_seconds: as of the fleet, for this database.
        retries: as of the fleet, for this database.
    """

    name: Name
    url: Reference
    owner: str = ""
    config: Path | None = None
    preset: str | None = None
    variables: dict[str, Any] = Field(default_factory=dict, alias="vars")
    deadline_seconds: PositiveInt | None = None
    retries: Annotated[int, Field(ge=0, le=20)] | None = None


class Fleet(_Strict):
    """The databases, and the limits for judging them.

    Attributes:
        folder: of the file; relative paths begin here.
        at_once: how many databases are judged at the same time.
        at_once_per_host: how many of them on one server.
        deadline_seconds: how long a database may take, its retries included.
        retries: how often a database is tried again that could not be evaluated.
        retry_pause_seconds: the pause before that.
    """

    folder: Path
    databases: tuple[Entry, ...]
    at_once: PositiveInt = Field(default_factory=lambda: os.cpu_count() or 1)
    at_once_per_host: PositiveInt = 4
    deadline_seconds: PositiveInt = 600
    retries: Annotated[int, Field(ge=0, le=20)] = 1
    retry_pause_seconds: Annotated[int, Field(ge=0, le=3600)] = 5

    @field_validator("databases")
    @classmethod
    def _each_name_once(cls, databases: tuple[Entry, ...]) -> tuple[Entry, ...]:
        if not databases:
            raise problem("there is no database", "Add one: docs/fleet.md has an example")
        repeated = [name for name, count in Counter(entry.name for entry in databases).items() if count > 1]
        if repeated:
            raise problem(f"several databases have the name {', '.join(repeated)}", "Rename all but one")
        return databases

    def deadline_of(self, entry: Entry) -> int:
        return entry.deadline_seconds or self.deadline_seconds

    def retries_of(self, entry: Entry) -> int:
        return self.retries if entry.retries is None else entry.retries

    def only(self, names: set[str]) -> Fleet:
        """The fleet with these databases alone.

        Raises:
            ConfigurationError: the file has no database of such a name.
        """
        unknown = sorted(names - {entry.name for entry in self.databases})
        if unknown:
            raise ConfigurationError(
                f"the fleet has no database {', '.join(unknown)}", "See the names in its file"
            )
        return self.model_copy(
            update={"databases": tuple(entry for entry in self.databases if entry.name in names)}
        )


def read_fleet(path: Path) -> Fleet:
    """Read the file of a fleet.

    Raises:
        ConfigurationError: it cannot be read, is too large, is no YAML, or another user may have written it.
        ConfigurationProblems: every mistake, one line each, without the values.
    """
    try:
        text = path.read_text(encoding="utf-8")
        refuse_strangers(path.resolve(), "a path of your own")
        document = yaml.safe_load(text) if len(text) <= MOST_BYTES else None
    except (OSError, UnicodeDecodeError, yaml.YAMLError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else first_line(error)
        raise ConfigurationError(f"{path} cannot be read: {reason}", "Correct the file or its path") from None
    if not isinstance(document, dict):
        raise ConfigurationError(
            f"{path} is no fleet: it has the list `databases`", "See docs/fleet.md for an example"
        )
    try:
        return Fleet.model_validate({**document, "folder": path.resolve().parent})
    except ValidationError as error:
        names = [
            entry.get("name") if isinstance(entry, dict) else None
            for entry in _listed(document.get("databases"))
        ]
        raise ConfigurationProblems([f"{path}, {text}" for text in _lines(error, names)]) from None


def host_of(url: str) -> str:
    """The server that a URL names, as a key for the limit per host; never with a password."""
    try:
        parts = read_conninfo(url)
    except ConfigurationError:
        return LOCAL
    return (
        f"{parts.get('host') or parts.get('hostaddr') or parts.get('service') or LOCAL}:{parts.get('port')}"
    )


def _may_hold_a_secret(url: str) -> bool:
    try:
        return any(SECRET.search(name) for name in read_conninfo(url))
    except ConfigurationError:
        return True


def _listed(value: object) -> list[Any]:
    return value if isinstance(value, list) else []


def _lines(error: ValidationError, names: list[Any]) -> Iterator[str]:
    """Each mistake with its place."""
    for details in details_of(error):
        place = [str(part) for part in details["loc"]]
        if place[:1] == ["databases"] and len(place) > 1:
            index = int(place[1])
            name = names[index] if index < len(names) else None
            place[:2] = [f"database {index + 1}" + (f" ({name})" if isinstance(name, str) else "")]
        where = ": ".join(filter(None, (place[0] if place else "", ".".join(place[1:]))))
        yield f"{where}: {_described(details)}"


def _described(details: ErrorDetails) -> str:
    """A mistake in the words of docs/fleet.md."""
    if details["type"] == PROBLEM:
        return details["msg"]
    if details["type"] == "extra_forbidden":
        return line("there is no such key", "docs/fleet.md lists the keys")
    if details["type"] == "missing":
        return line("it is missing")
    if details["type"] == "string_pattern_mismatch":
        is_name = details["ctx"]["pattern"] == NAME
        return line(
            "it must be of small letters, digits, `_`, `.` and `-`, 63 at most, and begin with no mark"
            if is_name
            else "it must be the name of a variable of the environment"
        )
    return line(details["msg"].replace("Input should be", "it must be", 1))
