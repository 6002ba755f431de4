"""The rules as `rollcall rules` describes them: from the suites, the docs blocks and the predicates."""

from __future__ import annotations

import difflib
from dataclasses import dataclass
from typing import Any

from rollcall.errors import ConfigurationError
from rollcall.rules.custom_rules import read_custom_suites
from rollcall.rules.sentences import rule_sentences
from rollcall.rules.suites import Rule, read_suites
from rollcall.settings.configuration import Settings

__all__ = ["DescribedRule", "described_rule", "described_rules"]


@dataclass(frozen=True)
class DescribedRule:
    """A rule with all that is written about it.

    Attributes:
        suite: the suite that judges it.
        meaning: what violates it; None for a rule of the schema, of the cleaned views, or of a user.
        predicate: the macro that decides it; None where the rule has none of its own.
    """

    rule: Rule
    suite: str
    meaning: str | None
    predicate: str | None

    def to_json(self) -> dict[str, Any]:
        rule = self.rule
        return {
            "name": rule.name,
            "suite": self.suite,
            "check": rule.check.value,
            "severity": rule.severity.value,
            "counts": rule.unit,
            "tolerance": rule.tolerance,
            "meaning": self.meaning,
            "reason": rule.reason,
            "remedy": rule.remedy,
            "predicate": self.predicate,
        }


def described_rules(settings: Settings) -> list[DescribedRule]:
    """Every rule in the order of the suites, the user's own last.

    Raises:
        ConfigurationError: a suite has a mistake.
    """
    ours = read_suites(settings.project_directory / "expectations")
    meanings = rule_sentences(settings.project_directory)
    predicates = settings.project_directory / "macros" / "rules"
    described = []
    for suite in (*ours.values(), *read_custom_suites(settings, ours).values()):
        for rule in suite.rules:
            macro = predicates / f"{rule.name}.sql"
            predicate = macro.read_text(encoding="utf-8").strip() if rule.name in meanings else None
            described.append(DescribedRule(rule, suite.name, meanings.get(rule.name), predicate))
    return described


def described_rule(settings: Settings, name: str) -> DescribedRule:
    """The rule of this name.

    Raises:
        ConfigurationError: there is none, or a suite has a mistake.
    """
    by_name = {described.rule.name: described for described in described_rules(settings)}
    if name not in by_name:
        near = difflib.get_close_matches(name[:100], by_name, n=1)
        raise ConfigurationError(
            f"there is no rule {name[:100]}",
            f"did you mean {near[0]}?" if near else "`rollcall rules` lists them",
        )
    return by_name[name]
