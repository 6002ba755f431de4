"""Values of some failing rows of the application, read with ``--samples`` only.

Without it, Rollcall shows keys and counts only. The samples have the columns that the rules read, of the
first keys of each failing rule. They are not stored: not in the ledger, a plan, the data docs, JUnit or
Markdown.
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
    """Add the samples of the first failing keys to each rule.

    One query for all sessions and one for all calls, both by key. Rules that count objects of the
    schema or rows of a custom table have no samples.

    Args:
        units: the unit of each rule: ``sessions`` or ``calls``.
        count: the number of keys of each rule, at most MOST_SAMPLES.
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
