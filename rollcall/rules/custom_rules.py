"""Custom rules for tables of the user: a folder of suites beside `rollcall.yml`.

Each suite is two files of one name: `crm.json`, a suite of counts as in `expectations/`, and
`crm.sql`, one query with a row per violation and the columns `rule` and `key`. The database counts the
rows, in the read-only snapshot of the assessment. `docs/adding-rules.md` has an example.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollcall.errors import ConfigurationError
from rollcall.rules.results import Check, Severity
from rollcall.settings.configuration import Settings

if TYPE_CHECKING:
    from rollcall.rules.suites import Suite

__all__ = ["insert_custom_query", "read_custom_suites"]

VAR = "own_rules_folder"
PLACE = "the_users_own_violations"  # in analyses/waivers/own_judged.sql
PERSONS = (Check.DATA_TRUSTWORTHY, Check.AGENTS_AVAILABLE)  # checks that a person repairs


def read_custom_suites(settings: Settings, ours: Mapping[str, Suite]) -> dict[str, Suite]:
    """Read the custom suites, by name; none if the folder does not exist.

    Args:
        ours: the suites of Rollcall; their names and rules cannot be used again.

    Raises:
        ConfigurationError: a suite cannot be judged; names the file and the remedy.
    """
    folder = settings.path_of(VAR)
    if not folder.is_dir():
        if VAR in settings.overrides:
            raise ConfigurationError(f"there is no folder {folder}", f"correct the var {VAR}")
        return {}
    from rollcall.rules.gx import load_suites

    suites = load_suites(folder)
    taken = {rule.name for suite in ours.values() for rule in suite.rules}
    for suite in suites.values():
        _check(suite, ours, taken)
    return suites


def insert_custom_query(judged: str, suite: Suite) -> str:
    """Insert the suite's query into the compiled `own_judged`."""
    text = _query_of(suite.path).read_text(encoding="utf-8").strip().rstrip(";")
    violations = (
        f"(select own.rule::text as rule, 'own' as subject, own.key::text as key from (\n{text}\n) as own)"
    )
    return judged.replace(PLACE, f"{violations} as {PLACE}", 1)


def _query_of(path: Path) -> Path:
    return path.with_suffix(".sql")


def _check(suite: Suite, ours: Mapping[str, Suite], taken: set[str]) -> None:
    if suite.name in ours:
        raise ConfigurationError(f"{suite.path}: Rollcall has a suite {suite.name}", "Use another name")
    if not _query_of(suite.path).is_file():
        raise ConfigurationError(
            f"{suite.path} has no query beside it", f"write {_query_of(suite.path).name}: rule and key"
        )
    _check_types(suite)
    for rule in suite.rules:
        if rule.name in taken:
            raise ConfigurationError(f"{suite.path}: Rollcall has a rule {rule.name}", "Use another name")
        if rule.severity is Severity.CRITICAL:
            raise ConfigurationError(
                f"{suite.path}: {rule.name} is critical, which means that `clean` repairs it",
                "write blocking, warning or info",
            )
        if rule.severity is Severity.BLOCKING and rule.check not in PERSONS:
            raise ConfigurationError(
                f"{suite.path}: {rule.name} is blocking and belongs to {rule.check.value}",
                f"A blocking rule needs the work of a person and belongs to {' or '.join(PERSONS)}",
            )


def _check_types(suite: Suite) -> None:
    counts: Any = [
        item["type"] == "expect_column_max_to_be_between" for item in suite.document["expectations"]
    ]
    if not all(counts):
        raise ConfigurationError(
            f"{suite.path} judges something else than counts",
            "write expect_column_max_to_be_between for each rule, as expectations/readiness.json does",
        )
