"""The rules' pages: one for each rule, saying what the rule's sources say."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rollcall.rules.suites import read_suites
from rollcall.steps.assess.waivers import read_waivers
from scripts import rule_pages
from tests.support.paths import ROOT

SUITES = read_suites(ROOT / "expectations")
PAGES = {path.stem: path.read_text("utf-8") for path in rule_pages.PAGES.glob("*.md")}
COUNTED = {rule.name for name in rule_pages.SUITES for rule in SUITES[name].rules}
HEADINGS = ["What it means", "Why it matters", "An example", "What Rollcall does", "How to waive it"]


def test_every_rule_has_a_page_and_none_is_stale(capsys: pytest.CaptureFixture[str]) -> None:
    assert PAGES.keys() == COUNTED | {"README"}
    assert rule_pages.main(["--check"]) == 0, capsys.readouterr().out


def test_a_missing_and_a_stale_page_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, text in PAGES.items():
        (tmp_path / f"{name}.md").write_text(text, "utf-8")
    monkeypatch.setattr(rule_pages, "PAGES", tmp_path)
    assert rule_pages.main(["--check"]) == 0
    page = tmp_path / "zombie_call.md"
    page.write_text(page.read_text("utf-8").replace("never changed", "deleted"), "utf-8")
    assert rule_pages.main(["--check"]) == 1
    page.unlink()
    assert rule_pages.main(["--check"]) == 1
    assert rule_pages.main([]) == 0
    assert page.read_text("utf-8") == PAGES["zombie_call"]


@pytest.mark.parametrize("rule", sorted(COUNTED))
def test_a_page_says_it_all(rule: str) -> None:
    page = PAGES[rule]
    assert re.findall(r"^## (.+)$", page, re.MULTILINE) == HEADINGS
    found = next(found for suite in SUITES.values() for found in suite.rules if found.name == rule)
    assert found.reason in page
    assert found.remedy in page
    assert f"**{found.severity.value}**" in page
    if (ROOT / f"macros/rules/{rule}.sql").exists() and rule != "silent_feed":
        assert "| **yes** |" in page, "the unit tests show nothing that violates it"


@pytest.mark.parametrize("rule", sorted(COUNTED))
def test_the_waiver_of_a_page_is_one_that_is_read(rule: str, tmp_path: Path) -> None:
    line = re.search(r"```csv\n(.*?)\n```", PAGES[rule], re.DOTALL)
    if line is None:
        assert "It cannot be waived" in PAGES[rule]
        return
    (tmp_path / "waivers.csv").write_text(line.group(1), "utf-8")
    (waiver,) = read_waivers(tmp_path / "waivers.csv", SUITES)
    assert waiver.rule == rule


def test_links_between_the_pages_lead_somewhere() -> None:
    for name, page in PAGES.items():
        for target in re.findall(r"\]\(([^)#]+)\)", page):
            assert (rule_pages.PAGES / target).resolve().exists(), f"{name}: {target}"
