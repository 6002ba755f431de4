"""Derive the five checks and the verdict from the results (docs/domain.md)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from enum import StrEnum

from rollcall.rules.results import Check, RuleResult, Severity, Verdict

__all__ = [
    "DECISIVE",
    "EXIT_CODES",
    "HEADLINES",
    "TONES",
    "FailOn",
    "checks_of",
    "exit_code_of",
    "fails",
    "verdict_of",
]

PASS = "PASS"
FAIL = "FAIL"
NEEDS_CLEANUP = "NEEDS_CLEANUP"

EXIT_CODES: Mapping[Verdict, int] = {
    Verdict.READY: 0,
    Verdict.NEEDS_SESSION_CLEANUP: 10,
    Verdict.NEEDS_DATABASE_MIGRATION: 11,
    Verdict.NOT_READY: 12,
}

WARNED = 13  # READY, with a violated warning that counts by --fail-on


class FailOn(StrEnum):
    """The lowest severity whose violation makes the exit code differ from 0."""

    WARN = "warn"
    CRITICAL = "critical"
    BLOCKING = "blocking"


HEADLINES: Mapping[Verdict, tuple[str, str]] = {
    Verdict.READY: ("🟢", "READY FOR PRODUCTION"),
    Verdict.NEEDS_SESSION_CLEANUP: ("🟡", "NEEDS SESSION CLEANUP"),
    Verdict.NEEDS_DATABASE_MIGRATION: ("🔴", "NEEDS DATABASE MIGRATION"),
    Verdict.NOT_READY: ("🔴", "NOT READY"),
}

TONES: Mapping[Verdict, str] = {  # as the style sheet of the reports names them
    Verdict.READY: "good",
    Verdict.NEEDS_SESSION_CLEANUP: "fair",
    Verdict.NEEDS_DATABASE_MIGRATION: "bad",
    Verdict.NOT_READY: "bad",
}

_CLEANABLE = (Check.SESSIONS_CLEAN, Check.CALL_REFS_CLEAN)
_FOR_A_PERSON = (Check.AGENTS_AVAILABLE, Check.DATA_TRUSTWORTHY)
DECISIVE = (Severity.BLOCKING, Severity.CRITICAL)


def checks_of(rules: Iterable[RuleResult]) -> dict[Check, str]:
    """The value of each check; warnings and infos do not fail a check."""
    failing = {rule.check for rule in rules if not rule.passed and rule.severity in DECISIVE}
    return {
        check: PASS if check not in failing else NEEDS_CLEANUP if check in _CLEANABLE else FAIL
        for check in Check
    }


def verdict_of(checks: Mapping[Check, str]) -> Verdict:
    """The verdict: work of a person comes first, then a migration, then a clean-up."""
    if FAIL in (checks[check] for check in _FOR_A_PERSON):
        return Verdict.NOT_READY
    if checks[Check.SCHEMA_READY] == FAIL:
        return Verdict.NEEDS_DATABASE_MIGRATION
    if NEEDS_CLEANUP in (checks[check] for check in _CLEANABLE):
        return Verdict.NEEDS_SESSION_CLEANUP
    return Verdict.READY


def fails(rule: RuleResult, fail_on: FailOn = FailOn.CRITICAL) -> bool:
    """Whether a violated rule by itself makes the exit code differ from 0."""
    if rule.passed:
        return False
    if fail_on is FailOn.BLOCKING:
        return rule.severity in DECISIVE and rule.check in _FOR_A_PERSON
    return rule.severity in DECISIVE or (fail_on is FailOn.WARN and rule.severity is Severity.WARNING)


def exit_code_of(verdict: Verdict, rules: Iterable[RuleResult], fail_on: FailOn = FailOn.CRITICAL) -> int:
    """The exit code of `assess` and `verify` after an evaluation."""
    if fail_on is FailOn.BLOCKING:
        return EXIT_CODES[verdict] if verdict is Verdict.NOT_READY else 0
    if fail_on is FailOn.WARN and verdict is Verdict.READY:
        warned = any(not rule.passed and rule.severity is Severity.WARNING for rule in rules)
        return WARNED if warned else 0
    return EXIT_CODES[verdict]
