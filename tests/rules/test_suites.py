"""The files of the suites: complete, readable by Great Expectations, refused with a mistake."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from rollcall.errors import ConfigurationError
from rollcall.rules.gx import gx_suite, load_suites
from rollcall.rules.results import Check, Severity
from rollcall.rules.sentences import rule_sentences
from rollcall.rules.suites import Suite, read_suites
from tests.support.suites import EXPECTATIONS, RULES_BY_SEVERITY, at, write_suite

# --- the files --------------------------------------------------------------------------------


def test_the_listed_rules_are_as_severe_as_the_list_says(
    suites: dict[str, Suite],
) -> None:
    found: dict[Severity, set[str]] = {severity: set() for severity in Severity}
    for rule in suites["readiness"].rules:
        found[rule.severity].add(rule.name)
    # a rule that is not listed there is as severe as its suite says
    known = set().union(*RULES_BY_SEVERITY.values())
    assert {severity: rules & known for severity, rules in found.items()} == RULES_BY_SEVERITY


def test_every_file_is_loaded_whole_by_gx(suites: dict[str, Suite]) -> None:
    assert suites.keys() == {"cleaned_sessions", "history", "readiness", "routable_agents", "schema"}
    for name, suite in suites.items():
        document = json.loads((EXPECTATIONS / f"{name}.json").read_text("utf-8"))
        assert len(gx_suite(suite).expectations) == len(document["expectations"]) > 0


def test_great_expectations_notes_what_each_rule_means(suites: dict[str, Suite]) -> None:
    """In the sentence that the models' descriptions and the rules' pages have too."""
    sentences = rule_sentences()
    for name in ("readiness", "history"):
        expectations = gx_suite(suites[name]).expectations
        notes = {expectation.meta["rule"]: expectation.notes for expectation in expectations}
        assert notes == {rule.name: sentences[rule.name] for rule in suites[name].rules}


def test_a_blocking_rule_fails_only_a_check_that_makes_not_ready(
    suites: dict[str, Suite],
) -> None:
    for suite in suites.values():
        for rule in suite.rules:
            if rule.severity is Severity.BLOCKING:
                assert rule.check in {Check.DATA_TRUSTWORTHY, Check.AGENTS_AVAILABLE}, rule.name
            if rule.severity is Severity.CRITICAL:
                assert rule.check not in {Check.DATA_TRUSTWORTHY, Check.AGENTS_AVAILABLE}, rule.name


def test_reading_the_suites_does_not_import_gx() -> None:
    program = (
        "import sys; from pathlib import Path; from rollcall.rules.suites import read_suites;"
        f"read_suites(Path({str(EXPECTATIONS)!r}));"
        "print([m for m in ('great_expectations', 'pandas', 'sqlalchemy') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, check=True)
    assert done.stdout.strip() == b"[]"


def test_what_is_imported_late_still_works(suites: dict[str, Suite]) -> None:
    from scipy import stats

    assert stats.norm.cdf(0) == 0.5


def test_a_suite_of_ones_own_is_loaded(tmp_path: Path) -> None:
    (suite,) = load_suites(write_suite(tmp_path, lambda document: None)).values()
    assert [(rule.name, rule.tolerance) for rule in suite.rules] == [
        ("late_call", 2),
        ("call_without_key", 0),
    ]


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (at(1, "type", value="expect_column_values_to_not_be_nul"), "expectation 1: GX knows no"),
        (at(1, "kwargs", "colum", value="call_id"), "expectation 1: .* does not take .*colum"),
        (at(1, "kwargs", value={}), "expectation 1: .* does not take .*column"),
        (at(1, "kwargs", "mostly", value=0.9), "expectation 1: remove `mostly`"),
        (at(0, "kwargs", "column", value="other"), "expectation 0: .*count of late_call"),
        (at(0, "kwargs", "max_value", value=None), "expectation 0: .*count of late_call"),
        (at(0, "kwargs", "max_value", value=0.5), "expectation 0: .*count of late_call"),
        (at(0, "kwargs", "strict_max", value=True), "expectation 0: .*count of late_call"),
        (at(0, "meta", "remedy", value=...), "expectation 0, meta lacks remedy"),
        (at(0, "meta", "reason", value=" "), "expectation 0, meta: reason"),
        (at(0, "meta", "owner", value="me"), "expectation 0, meta has an unknown key 'owner'"),
        (at(0, "meta", "check", value="sessions"), "expectation 0: the check is 'sessions'"),
        (at(0, "meta", "severity", value="bad"), "expectation 0: the severity is 'bad'"),
        (at(0, "meta", "unit", value="rows"), "expectation 0: the unit is 'rows'"),
        (at(0, "severity", value="warning"), "expectation 0: the GX severity is 'warning'"),
        (at(0, "severity", value=...), "expectation 0 lacks severity"),
        (at(0, "kwarg", value={}), "expectation 0 has an unknown key 'kwarg'"),
        (at(1, "meta", "rule", value="late_call"), "the rule late_call occurs 2 times"),
        (lambda document: document.update(name="yours"), 'Write "name": "mine"'),
        (lambda document: document.update(expectations={}), "is not an expectation suite"),
        (lambda document: document.update(notices=""), "unknown key 'notices'"),
    ],
)
def test_a_suite_with_a_mistake_is_refused(
    tmp_path: Path, change: Callable[[dict[str, Any]], None], says: str
) -> None:
    with pytest.raises(ConfigurationError, match=says) as refused:
        load_suites(write_suite(tmp_path, change))
    assert "mine.json" in str(refused.value) or "occurs" in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_folder_without_suites_and_a_broken_file_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="holds no expectation suite"):
        read_suites(tmp_path)
    (tmp_path / "mine.json").write_text("{")
    with pytest.raises(ConfigurationError, match="is not JSON"):
        read_suites(tmp_path)
