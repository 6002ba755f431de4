"""`rollcall rules`: the explanation of a rule, which every installation has."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rollcall.rules.sentences import rule_sentences
from rollcall.rules.suites import read_suites
from tests.support.command import rollcall
from tests.support.paths import ROOT

RULES = {rule.name: rule for suite in read_suites(ROOT / "expectations").values() for rule in suite.rules}
OWN_SUITE = """
    {"name": "crm", "expectations": [{"type": "expect_column_max_to_be_between",
      "kwargs": {"column": "customer_without_owner", "max_value": 0}, "severity": "warning",
      "meta": {"rule": "customer_without_owner", "check": "data_trustworthy", "severity": "warning",
               "unit": "objects", "reason": "Not called back.", "remedy": "Give it an owner."}}]}
"""


def test_every_rule_is_listed() -> None:
    listed = json.loads(rollcall("rules", "--json").stdout)
    assert [rule["name"] for rule in listed] == list(RULES)
    assert all(rule["reason"] and rule["remedy"] for rule in listed)
    shown = rollcall("rules").stdout
    assert all(f"{name} " in shown for name in RULES)


@pytest.mark.parametrize("name", ["zombie_call", "missing_column"])
def test_a_rule_is_explained(name: str) -> None:
    shown = " ".join(rollcall("rules", name).stdout.split())
    assert RULES[name].reason in shown
    assert RULES[name].remedy in shown
    has_rows = name in rule_sentences()
    assert (rule_sentences().get(name, "What it means") in shown) == has_rows
    assert ("{% macro" in shown) == has_rows


def test_an_unknown_rule_leads_to_the_next_one() -> None:
    done = rollcall("rules", "zombi_call")
    assert done.returncode == 2
    assert "Did you mean zombie_call?" in done.stderr
    assert "`rollcall rules` lists them" in rollcall("rules", "xyz").stderr.replace("\n", " ")


def test_a_rule_of_the_user_is_explained(tmp_path: Path) -> None:
    (tmp_path / "crm.json").write_text(OWN_SUITE, "utf-8")
    (tmp_path / "crm.sql").write_text("select 'customer_without_owner' as rule, '1' as key", "utf-8")
    variables = json.dumps({"own_rules_folder": str(tmp_path)})
    done = rollcall("rules", "customer_without_owner", "--vars", variables)
    assert done.returncode == 0, done.stderr
    assert "Not called back." in done.stdout
