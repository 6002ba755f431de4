"""The rules as JUnit XML, so that a CI system shows them as tests.

The file agrees with the exit code: it contains a failure or an error exactly where that is not 0. A violated
rule that decides by the option ``--fail-on`` is a failure. A violated rule that does not decide is *skipped*
with its message, because Jenkins, GitLab and GitHub's reporters show skipped tests without failing the job,
but rarely show the output of a passed test. The same holds for a rule whose violations are all waived. A
violated info passes, with its findings in the output. A failed judgement is one test case with an error.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC
from xml.etree import ElementTree

from rollcall.report import words
from rollcall.report.text import printable
from rollcall.rules.results import Assessment, RuleResult, Severity
from rollcall.rules.verdict import FailOn, fails

__all__ = ["junit_of_failure", "junit_xml"]

KEYS_SHOWN = 20
LONGEST_KEY = 200


def junit_xml(
    assessment: Assessment, fail_on: FailOn = FailOn.CRITICAL, *, broken_proof: str | None = None
) -> str:
    """Make a ``<testsuites>`` document: a suite per expectation suite, a test case per rule.

    Args:
        fail_on: the severity from which on a violated rule is a failure.
        broken_proof: why the proof of a run does not hold; None where it holds or was not requested.
    """
    suites: dict[str, list[RuleResult]] = {}
    for rule in assessment.rules:
        suites.setdefault(rule.suite, []).append(rule)
    root = ElementTree.Element("testsuites", {"name": "rollcall", **_totals(assessment.rules, fail_on)})
    for name, rules in suites.items():
        root.append(_suite(name, rules, assessment, fail_on))
    if broken_proof is not None:
        _count(root, "tests", "failures")
        root.append(_single("proof", "the_proof_holds", "failure", broken_proof))
    return _document(root)


def junit_of_failure(message: str) -> str:
    """Make the document of a failed judgement: one test case with an error."""
    root = ElementTree.Element(
        "testsuites", {"name": "rollcall", "tests": "1", "failures": "0", "errors": "1", "time": "0"}
    )
    root.append(_single("evaluation", "the_database_was_judged", "error", message))
    return _document(root)


def _document(root: ElementTree.Element) -> str:
    ElementTree.indent(root)
    body = ElementTree.tostring(root, encoding="unicode")
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{body}\n'


def _count(element: ElementTree.Element, *attributes: str) -> None:
    for name in attributes:
        element.set(name, str(int(element.get(name, "0")) + 1))


def _single(suite: str, name: str, outcome: str, message: str) -> ElementTree.Element:
    """A suite with one test case, which failed or could not run."""
    counts = {"tests": "1", "failures": "0", "errors": "0", "skipped": "0", "time": "0"}
    counts[f"{outcome}s"] = "1"
    element = ElementTree.Element("testsuite", {"name": f"rollcall.{suite}", **counts})
    case = ElementTree.SubElement(element, "testcase", classname=f"rollcall.{suite}", name=name, time="0")
    ElementTree.SubElement(case, outcome, message=printable(message), type=suite)
    return element


def _totals(rules: Sequence[RuleResult], fail_on: FailOn) -> dict[str, str]:
    return {
        "tests": str(len(rules)),
        "failures": str(sum(fails(rule, fail_on) for rule in rules)),
        "errors": "0",
        "time": "0",
    }


def _suite(
    name: str, rules: Sequence[RuleResult], assessment: Assessment, fail_on: FailOn
) -> ElementTree.Element:
    attributes = {
        "name": printable(f"rollcall.{name}"),
        **_totals(rules, fail_on),
        "skipped": str(sum(_is_shown_as_skipped(rule, fail_on) for rule in rules)),
        "timestamp": assessment.judged_at.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S"),
    }
    suite = ElementTree.Element("testsuite", attributes)
    suite.append(_properties(assessment))
    units = words.units_of(assessment)
    for rule in rules:
        suite.append(_case(rule, units[rule.name], fail_on))
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


def _case(rule: RuleResult, unit: str, fail_on: FailOn) -> ElementTree.Element:
    case = ElementTree.Element(
        "testcase",
        classname=printable(f"rollcall.{rule.suite}.{rule.check.value}"),
        name=printable(rule.name),
        time="0",
    )
    if rule.not_judged is not None:
        ElementTree.SubElement(case, "skipped", message=printable(f"not judged: {rule.not_judged}"))
        return case
    if rule.passed and not rule.waived:
        return case
    count = words.count_of(rule.violations, unit)
    waived = f", {rule.waived} of them waived" if rule.waived else ""
    message = printable(f"{count}{waived}: {rule.reason}")
    if fails(rule, fail_on):
        failure = ElementTree.SubElement(case, "failure", message=message, type=rule.severity.value)
        failure.text = _details(rule)
        return case
    if _is_shown_as_skipped(rule, fail_on):
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


def _is_shown_as_skipped(rule: RuleResult, fail_on: FailOn) -> bool:
    """Whether a rule was not judged, is violated without deciding and is no info, or is waived."""
    if rule.not_judged is not None:
        return True
    if rule.passed:
        return bool(rule.waived)
    return rule.severity is not Severity.INFO and not fails(rule, fail_on)
