"""The rules as JUnit XML, so that a CI system shows them like tests.

A rule that fails a check is a failure. A violated warning is *skipped* with its message: that is
what Jenkins, GitLab and GitHub's reporters show without failing the job, while the output of a
test that passed is rarely seen; so is a rule whose every violation is waived. A violated info
passes, with what was found in its output.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from xml.etree import ElementTree

from rollcall.report import words
from rollcall.report.text import printable
from rollcall.results import Assessment, RuleResult, Severity

__all__ = ["junit_xml"]

KEYS_SHOWN = 20
LONGEST_KEY = 200

_FAILING = (Severity.BLOCKING, Severity.CRITICAL)


def junit_xml(assessment: Assessment) -> str:
    """A ``<testsuites>`` document: a suite per expectation suite, a test case per rule."""
    suites: dict[str, list[RuleResult]] = {}
    for rule in assessment.rules:
        suites.setdefault(rule.suite, []).append(rule)
    root = ElementTree.Element("testsuites", {"name": "rollcall", **_totals(assessment.rules)})
    for name, rules in suites.items():
        root.append(_suite(name, rules, assessment))
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _totals(rules: Sequence[RuleResult]) -> dict[str, str]:
    return {
        "tests": str(len(rules)),
        "failures": str(sum(_is_failure(rule) for rule in rules)),
        "errors": "0",
        "time": "0",
    }


def _suite(name: str, rules: Sequence[RuleResult], assessment: Assessment) -> ElementTree.Element:
    attributes = {
        "name": printable(f"rollcall.{name}"),
        **_totals(rules),
        "skipped": str(sum(_is_shown_as_skipped(rule) for rule in rules)),
        "timestamp": assessment.judged_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
    }
    suite = ElementTree.Element("testsuite", attributes)
    suite.append(_properties(assessment))
    units = words.units_of(assessment)
    for rule in rules:
        suite.append(_case(rule, units[rule.name]))
    return suite


def _properties(assessment: Assessment) -> ElementTree.Element:
    values = {
        "verdict": assessment.verdict.value,
        "database": assessment.database,
        "server_version": assessment.server_version,
        "snapshot_at": assessment.snapshot_at.isoformat(),
        "cutoff": assessment.cutoff.isoformat(),
    }
    properties = ElementTree.Element("properties")
    named = [*values.items(), *(("warning", text) for text in assessment.warnings)]
    for name, value in named:
        ElementTree.SubElement(properties, "property", name=name, value=printable(value))
    return properties


def _case(rule: RuleResult, unit: str) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase",
        classname=printable(f"rollcall.{rule.suite}.{rule.check.value}"),
        name=printable(rule.name),
        time="0",
    )
    if rule.passed and not rule.waived:
        return case
    count = words.count_of(rule.violations, unit)
    waived = f", {rule.waived} of them waived" if rule.waived else ""
    message = printable(f"{count}{waived}: {rule.reason}")
    if _is_failure(rule):
        failure = ElementTree.SubElement(case, "failure", message=message, type=rule.severity.value)
        failure.text = _details(rule)
        return case
    if _is_shown_as_skipped(rule):
        kind = "waived" if rule.passed else rule.severity.value
        ElementTree.SubElement(case, "skipped", message=f"{kind}: {message}")
    ElementTree.SubElement(case, "system-out").text = f"{message}\n{_details(rule)}"
    return case


def _details(rule: RuleResult) -> str:
    shown = rule.sample_keys[:KEYS_SHOWN]
    lines = [f"What to do: {printable(rule.remedy)}", f"Violations: {rule.violations}"]
    if rule.tolerance:
        lines.append(f"Tolerated: {rule.tolerance}")
    if rule.waived:
        lines.append(f"Waived: {rule.waived}")
    if trend := words.trend_sentence(rule):
        lines.append(printable(trend))
    if shown:
        lines.append(f"The first {len(shown)}:" if len(shown) < rule.failing else "All of them:")
        lines += [f"  {printable(key, LONGEST_KEY)}" for key in shown]
    return "\n".join(lines)


def _is_failure(rule: RuleResult) -> bool:
    return not rule.passed and rule.severity in _FAILING


def _is_shown_as_skipped(rule: RuleResult) -> bool:
    """Violated and deciding nothing: a warning, or whatever is waived."""
    return bool(rule.passed and rule.waived) or (not rule.passed and rule.severity is Severity.WARNING)
