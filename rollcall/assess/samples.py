"""What the application's tables say of some of the rows that fail: only on request.

Keys and counts are all that Rollcall shows as a rule. `--samples` adds the columns that its rules
look at, of the first few keys of each rule that fails. They are handed to the caller, and are
kept nowhere: not in the ledger, a plan, the data docs, JUnit or Markdown.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from rollcall.database.connections import Snapshot
from rollcall.dbt.project import Project
from rollcall.rules.results import RuleResult, Sample

__all__ = ["MOST_SAMPLES", "with_samples"]

MOST_SAMPLES = 100  # of a rule
QUERIES = {"sessions": "sample_sessions", "calls": "sample_calls"}


def with_samples(
    snapshot: Snapshot, project: Project, rules: Sequence[RuleResult], units: dict[str, str], count: int
) -> tuple[RuleResult, ...]:
    """The rules, each with what is known of its first failing keys.

    One query for all sessions and one for all calls, both by key. Rules that count something else
    (objects of the schema, rows of a user's own table) have none.

    Args:
        units: what each of the application's own rules counts: ``sessions`` or ``calls``.
        count: how many keys of each rule, MOST_SAMPLES at most.
    """
    chosen = {
        rule.name: rule.keys[: min(count, MOST_SAMPLES)] for rule in rules if units.get(rule.name) in QUERIES
    }
    found: dict[str, dict[str, Sample]] = {}
    for unit, query in QUERIES.items():
        wanted = sorted({key for name, keys in chosen.items() if units[name] == unit for key in keys})
        rows = snapshot.rows(project.sql(query), [wanted]) if wanted else []
        found[unit] = {row["key"]: Sample(row["key"], row["row_values"]) for row in rows}
    return tuple(
        replace(
            rule,
            samples=tuple(
                found[units[rule.name]][key] for key in chosen[rule.name] if key in found[units[rule.name]]
            ),
        )
        if chosen.get(rule.name)
        else rule
        for rule in rules
    )
