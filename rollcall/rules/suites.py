"""Read the suites of `expectations/`, in the form of Great Expectations.

The `meta` of an expectation has the check, the severity, the reason and the remedy of its rule. Reading a
suite does not import Great Expectations, which takes seconds.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Annotated, Any, Literal, Self

from pydantic import BaseModel, ConfigDict, StringConstraints, ValidationError, model_validator
from pydantic_core import ErrorDetails

from rollcall.errors import ConfigurationError, ConfigurationProblems
from rollcall.rules.results import Check, Severity
from rollcall.settings.problems import PROBLEM, details_of, line, problem

__all__ = ["COUNT_TYPE", "Rule", "Suite", "as_counts", "is_no_count", "read_suite", "read_suites"]

# GX has three severities; the two that fail a check are critical there.
_GX_SEVERITY = {
    Severity.BLOCKING: "critical",
    Severity.CRITICAL: "critical",
    Severity.WARNING: "warning",
    Severity.INFO: "info",
}

# The expectation for a count; unlike a row-level expectation it fails for null.
COUNT_TYPE = "expect_column_max_to_be_between"


@dataclass(frozen=True)
class Rule:
    """A rule: the `meta` of an expectation, and its tolerated number of violations."""

    name: str
    check: Check
    severity: Severity
    tolerance: int
    reason: str
    remedy: str
    unit: str


@dataclass(frozen=True)
class Suite:
    """A file of `expectations/`: its document and its rules."""

    name: str
    path: Path
    document: Mapping[str, Any]
    rules: tuple[Rule, ...]

    def rule(self, name: str) -> Rule:
        """The rule of this name; KeyError if the suite has none."""
        for rule in self.rules:
            if rule.name == name:
                return rule
        raise KeyError(name)


def read_suites(directory: Path) -> dict[str, Suite]:
    """Read all suites of a directory, by name in the order of their files.

    Raises:
        ConfigurationError: there is no suite, a file is not a suite, or a rule occurs twice. `load_suites`
            checks that GX knows the expectations.
    """
    suites: list[Suite] = []
    problems: list[str] = []
    for path in sorted(directory.glob("*.json")):
        try:
            suites.append(read_suite(path))
        except ConfigurationProblems as error:
            problems += error.problems
    if problems:
        raise ConfigurationProblems(problems)
    if not suites:
        raise ConfigurationError(
            f"{directory} holds no expectation suite",
            hint="Run in a checkout of Rollcall, or name its folder.",
        )
    counted = Counter(rule.name for suite in suites for rule in suite.rules)
    twice = sorted(name for name, times in counted.items() if times > 1)
    if twice:
        raise ConfigurationError(
            f"{directory}: the rule {twice[0]} occurs {counted[twice[0]]} times",
            hint="Give every expectation a `rule` of its own in its meta.",
        )
    return {suite.name: suite for suite in suites}


def read_suite(path: Path) -> Suite:
    """Read a suite from its file.

    Raises:
        ConfigurationProblems: the problems, each with the file, the expectation and the remedy.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationProblems([f"{path} cannot be read: {error.strerror}"]) from error
    except (ValueError, RecursionError) as error:
        where = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise ConfigurationProblems([f"{path}{where} is not JSON"]) from None
    try:
        model = _Document.model_validate(document)
    except ValidationError as error:
        problems = [text for details in details_of(error) for text in _described(path, details)]
        raise ConfigurationProblems(problems) from None
    if model.name != path.stem:
        text = line(
            f"{path}: the suite has another name than its file",
            f'Write "name": "{path.stem}", as the file is called.',
        )
        raise ConfigurationProblems([text])
    return Suite(model.name, path, document, tuple(item.rule for item in model.expectations))


def as_counts(suite: Suite) -> Suite:
    """A suite of rows as one of counts: for each rule, how many rows may violate it."""
    expectations = [
        {**expectation, "type": COUNT_TYPE, "kwargs": {"column": rule.name, "max_value": rule.tolerance}}
        for expectation, rule in zip(suite.document["expectations"], suite.rules, strict=True)
    ]
    return replace(suite, document={**suite.document, "expectations": expectations})


def is_no_count(value: Any) -> bool:
    return not isinstance(value, int) or isinstance(value, bool) or value < 0


# --- the form of a file -------------------------------------------------------------------------

Filled = Annotated[str, StringConstraints(strict=True, pattern=r"\S")]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid")


class _Meta(_Part):
    rule: Filled
    check: Check
    severity: Severity
    reason: Filled
    remedy: Filled
    unit: Literal["sessions", "calls", "agents", "objects"]


class _Expectation(_Part):
    type: str
    kwargs: dict[str, Any]
    severity: Any
    meta: _Meta

    @model_validator(mode="after")
    def _fits_rollcall(self) -> Self:
        severity = _GX_SEVERITY[self.meta.severity]
        if self.severity != severity:
            raise problem(f"the GX severity is {self.severity!r}", f"Write {severity}.")
        if self.type != COUNT_TYPE:
            if "mostly" in self.kwargs:
                raise problem("remove `mostly`, rows are judged without tolerance")
            return self
        rule = self.meta.rule
        is_count = set(self.kwargs) == {"column", "max_value"} and self.kwargs["column"] == rule
        if not is_count or is_no_count(self.kwargs["max_value"]):
            raise problem(
                f"kwargs do not judge the count of {rule}",
                f'Write "kwargs": {{"column": "{rule}", "max_value": 0}}, 0 being the tolerance.',
            )
        return self

    @property
    def rule(self) -> Rule:
        """The rule; the tolerance of a count is in its `kwargs`, that of rows is 0."""
        return Rule(
            name=self.meta.rule,
            check=self.meta.check,
            severity=self.meta.severity,
            tolerance=int(self.kwargs["max_value"]) if self.type == COUNT_TYPE else 0,
            reason=self.meta.reason,
            remedy=self.meta.remedy,
            unit=self.meta.unit,
        )


class _Document(_Part):
    name: str
    expectations: list[_Expectation]
    meta: Any = None
    notes: Any = None


_PARTS: dict[int, type[_Part]] = {0: _Document, 2: _Expectation, 3: _Meta}  # by the depth in the file


def _described(path: Path, details: ErrorDetails) -> Iterator[str]:
    """Describe a problem in a line: the place, the problem, the remedy."""
    place, kind = details["loc"], details["type"]
    if place in ((), ("expectations",)):
        yield line(
            f"{path} is not an expectation suite",
            'Write an object with "name" and a list of "expectations".',
        )
        return
    expectation = f"{path}, expectation {place[1]}" if len(place) > 1 else str(path)
    where = f"{expectation}, meta" if len(place) > 3 else expectation
    field = place[-1]
    if kind == PROBLEM:
        yield f"{expectation}: {details['msg']}"
    elif kind == "extra_forbidden":
        known = _PARTS[len(place) - 1].model_fields
        yield line(f"{where} has an unknown key {field!r}", f"Known are {', '.join(sorted(known))}.")
    elif kind == "missing":
        yield line(f"{where} lacks {field}", "Add what is missing.")
    elif kind in ("enum", "literal_error"):
        allowed = details["ctx"]["expected"].replace("'", "")
        yield line(f"{expectation}: the {field} is {details['input']!r}", f"Write {allowed}.")
    elif isinstance(field, int):
        yield f"{expectation} is not an object"
    elif kind in ("dict_type", "model_type", "model_attributes_type"):
        yield f"{expectation}: {field} must be an object"
    else:
        yield f"{where}: {field} must be a text that is not empty"
