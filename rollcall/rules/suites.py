"""The suites in `expectations/`, read as files of Great Expectations' own form.

What a rule means to Rollcall (check, severity, reason, remedy) stands in each expectation's `meta`.
A suite is never written back, and reading it does not import Great Expectations, which takes seconds.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rollcall.errors import ConfigurationError
from rollcall.rules.results import Check, Severity

__all__ = ["COUNT_TYPE", "Rule", "Suite", "is_no_count", "read_suite", "read_suites"]

# GX has three severities; what makes a verdict fail is critical there.
_GX_SEVERITY = {
    Severity.BLOCKING: "critical",
    Severity.CRITICAL: "critical",
    Severity.WARNING: "warning",
    Severity.INFO: "info",
}
_UNITS = ("sessions", "calls", "agents", "objects")
_SUITE_KEYS = {"name", "expectations", "meta", "notes"}
_EXPECTATION_KEYS = {"type", "kwargs", "severity", "meta"}
_META_KEYS = {"rule", "check", "severity", "reason", "remedy", "unit"}

# What judges a count: unlike a row-level expectation it does not pass on null.
COUNT_TYPE = "expect_column_max_to_be_between"


@dataclass(frozen=True)
class Rule:
    """What one expectation means: its `meta`, and how many violations it tolerates."""

    name: str
    check: Check
    severity: Severity
    tolerance: int
    reason: str
    remedy: str
    unit: str


@dataclass(frozen=True)
class Suite:
    """One file of `expectations/`: its GX document as it was read, and the rules in it."""

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
    """All suites of a directory by name, in the order of their files, without importing GX.

    Raises:
        ConfigurationError: no suite there, a file that cannot be read or is not a suite, a rule
            that occurs twice. Whether GX knows the expectations only `load_suites` can tell.
    """
    suites = [read_suite(path) for path in sorted(directory.glob("*.json"))]
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
    """One suite from its file, without importing GX.

    Raises:
        ConfigurationError: naming the file, the index of the expectation and what to write.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}") from error
    except (ValueError, RecursionError) as error:
        where = f", line {error.lineno}" if isinstance(error, json.JSONDecodeError) else ""
        raise ConfigurationError(f"{path}{where} is not JSON") from None
    _check_suite_keys(path, document)
    rules = tuple(
        _read_rule(f"{path}, expectation {index}", expectation)
        for index, expectation in enumerate(document["expectations"])
    )
    return Suite(document["name"], path, document, rules)


def _check_suite_keys(path: Path, document: Any) -> None:
    if not isinstance(document, dict) or not isinstance(document.get("expectations"), list):
        raise ConfigurationError(
            f"{path} is not an expectation suite",
            hint='Write an object with "name" and a list of "expectations".',
        )
    _refuse_unknown(str(path), document, _SUITE_KEYS)
    if document.get("name") != path.stem:
        raise ConfigurationError(
            f"{path}: the suite has another name than its file",
            hint=f'Write "name": "{path.stem}", as the file is called.',
        )


def _read_rule(where: str, expectation: Any) -> Rule:
    if not isinstance(expectation, dict):
        raise ConfigurationError(f"{where} is not an object")
    _refuse_unknown(where, expectation, _EXPECTATION_KEYS)
    _refuse_missing(where, expectation, _EXPECTATION_KEYS)
    kwargs, meta = expectation["kwargs"], expectation["meta"]
    if not isinstance(kwargs, dict) or not isinstance(meta, dict):
        raise ConfigurationError(f"{where}: kwargs and meta must be objects")
    _refuse_unknown(f"{where}, meta", meta, _META_KEYS)
    _refuse_missing(f"{where}, meta", meta, _META_KEYS)
    for key in sorted(_META_KEYS):
        if not isinstance(meta[key], str) or not meta[key].strip():
            raise ConfigurationError(f"{where}, meta: {key} must be a text that is not empty")
    severity = Severity(_one_of(where, "severity", meta["severity"], list(Severity)))
    _one_of(where, "GX severity", expectation["severity"], [_GX_SEVERITY[severity]])
    return Rule(
        name=meta["rule"],
        check=Check(_one_of(where, "check", meta["check"], list(Check))),
        severity=severity,
        tolerance=_tolerance(where, meta["rule"], expectation),
        reason=meta["reason"],
        remedy=meta["remedy"],
        unit=_one_of(where, "unit", meta["unit"], _UNITS),
    )


def _tolerance(where: str, rule: str, expectation: Mapping[str, Any]) -> int:
    """How many violations pass: of a count what its expectation says, of rows always none."""
    kwargs = expectation["kwargs"]
    if expectation["type"] != COUNT_TYPE:
        if "mostly" in kwargs:
            raise ConfigurationError(f"{where}: remove `mostly`, rows are judged without tolerance")
        return 0
    tolerance = kwargs.get("max_value")
    if set(kwargs) != {"column", "max_value"} or kwargs["column"] != rule or is_no_count(tolerance):
        raise ConfigurationError(
            f"{where}: kwargs do not judge the count of {rule}",
            hint=f'Write "kwargs": {{"column": "{rule}", "max_value": 0}}, 0 being the tolerance.',
        )
    return int(tolerance)


def is_no_count(value: Any) -> bool:
    return not isinstance(value, int) or isinstance(value, bool) or value < 0


def _one_of(where: str, what: str, value: Any, allowed: Sequence[str]) -> str:
    if value not in allowed:
        raise ConfigurationError(f"{where}: the {what} is {value!r}", hint=f"Write {' or '.join(allowed)}.")
    return str(value)


def _refuse_unknown(where: str, given: Mapping[str, Any], known: set[str]) -> None:
    unknown = sorted(set(given) - known)
    if unknown:
        raise ConfigurationError(
            f"{where} has an unknown key {unknown[0]!r}",
            hint=f"Known are {', '.join(sorted(known))}.",
        )


def _refuse_missing(where: str, given: Mapping[str, Any], needed: set[str]) -> None:
    missing = sorted(needed - set(given))
    if missing:
        raise ConfigurationError(f"{where} lacks {', '.join(missing)}", hint="Add what is missing.")
