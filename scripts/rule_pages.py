"""Write `docs/rules/`, a page per rule, and the names of the rules for the SQL.

What a page says comes from the suites (`expectations/`: check, severity, reason, remedy), from the
rule's macro and sentence (`macros/rules/`) and from its unit tests (`models/assessed/unit_tests/`), so it
agrees with what is done.

    .venv/bin/python -m scripts.rule_pages          writes the pages and macros/assessed/rules_of.sql
    .venv/bin/python -m scripts.rule_pages --check  fails when one of them is missing or stale
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from rollcall.report.words import check_title, count_of, rule_title
from rollcall.rules.results import Severity
from rollcall.rules.sentences import rule_sentences
from rollcall.rules.suites import Rule, Suite, read_suites
from rollcall.steps.assess.waivers import ABOUT_ALL_SESSIONS, NEVER_WAIVED_SUITES
from scripts.rule_lists import LISTS, rule_lists

ROOT = Path(__file__).resolve().parent.parent
PAGES = ROOT / "docs" / "rules"
SUITES = ("readiness", "history", "schema")  # the suites of counts, in the order of the index

OVER = {
    "readiness": "the open sessions, the calls that are not over, and the agents, at every `assess`",
    "history": "the closed sessions and all calls, with `--history`, and in the nightly run",
    "schema": "the schema of the application's tables and of Rollcall's own, at every `assess`",
}
SEVERITIES = {
    Severity.BLOCKING: "the verdict is `NOT_READY`, and a person must act first",
    Severity.CRITICAL: "its check fails until it is repaired",
    Severity.WARNING: "it is shown and fails no check (`--fail-on warn` makes it count)",
    Severity.INFO: "it is shown and fails no check",
}
# The schema is judged against the catalog, where no unit test can show a row.
SCHEMA_EXAMPLES = {
    "missing_column": "`agent_sessions` has no column `last_heartbeat`.",
    "missing_index": "There is no index on the open sessions, so a query for them reads the whole table.",
    "invalid_index": "A build was interrupted: the index exists, and its `indisvalid` is false.",
    "building_index": "An index is in `pg_stat_progress_create_index`: it is being built.",
    "missing_own_object": "The view `rollcall.agent_sessions` does not exist, or has an older definition.",
    "conflicting_column": "`agent_sessions.device_connected` exists, but it is a `text`.",
    "conflicting_index": "An index of the declared name exists, but it is on another column.",
    "conflicting_own_object": "Another role made a table `rollcall.agent_sessions` in place of the view.",
    "missing_select_privilege": "The role of `assess` may not read `call_sessions`.",
    "hidden_rows": "A row-level security policy of `agent_sessions` applies to the role of `assess`.",
    "missing_primary_key": "`agent_sessions` has no primary key.",
    "missing_replica_identity": "A publication has `agent_sessions`, whose replica identity is `nothing`.",
    "session_update_rule": "`create rule … on update to agent_sessions do instead …`.",
    "foreign_dependency": "An operator `public.=` was planted before `rollcall.agent_sessions` was created.",
    "bypassed_row_security": "`alter table agent_sessions enable row level security`, on PostgreSQL 14.",
    "ledger_writers": "`grant update on rollcall_ops.changes to public`.",
    "status_not_in_enum": "The enum of `agent_sessions.status` has no label `offline`.",
    "agents_key_not_unique": "The primary key of `agents` is `(id, email)`, and `id` has no unique index.",
    "sessions_key_not_unique": "`sessions_id_column` is set to `agent_id`, which many sessions share.",
    "calls_key_not_unique": "The primary key of `call_sessions` is `(tenant_id, id)`.",
    "child_table": "`create table agent_sessions_2024 () inherits (agent_sessions)`.",
}


@dataclass(frozen=True)
class Example:
    """Rows of a unit test: its description, the columns, and which rows violate the rule."""

    description: str
    columns: tuple[str, ...]
    rows: tuple[tuple[tuple[str, ...], bool], ...]


def pages() -> dict[str, str]:
    """All pages by file name, the index included."""
    suites = read_suites(ROOT / "expectations")
    described = rule_sentences(ROOT)
    written = {
        f"{rule.name}.md": _page(rule, suites[name], described.get(rule.name))
        for name in SUITES
        for rule in suites[name].rules
    }
    return {"README.md": _index([suites[name] for name in SUITES]), **written}


def main(arguments: Sequence[str]) -> int:
    expected = pages()
    found = {path.name: path.read_text(encoding="utf-8") for path in PAGES.glob("*.md")}
    if "--check" in arguments:
        stale = sorted(
            f"docs/rules/{name}"
            for name in expected.keys() | found.keys()
            if expected.get(name) != found.get(name)
        )
        if not LISTS.is_file() or LISTS.read_text(encoding="utf-8") != rule_lists():
            stale.append(str(LISTS.relative_to(ROOT)))
        for name in stale:
            print(f"{name} is not what its sources say; run python -m scripts.rule_pages")
        return 1 if stale else 0
    LISTS.write_text(rule_lists(), encoding="utf-8", newline="\n")
    PAGES.mkdir(parents=True, exist_ok=True)
    for name in found.keys() - expected.keys():
        (PAGES / name).unlink()
    for name, text in expected.items():
        (PAGES / name).write_text(text, encoding="utf-8", newline="\n")
    print(f"{len(expected)} pages in docs/rules, and {LISTS.relative_to(ROOT)}")
    return 0


# --- a page -----------------------------------------------------------------------------------


def _page(rule: Rule, suite: Suite, described: str | None) -> str:
    parts = [
        f"# {rule_title(rule.name)}",
        f"`{rule.name}` · {rule.severity.value} · {check_title(rule.check)}",
        "## What it means",
        *([described] if described else []),
        f"Judged over {OVER[suite.name]}. It counts {rule.unit}; "
        f"{'none is' if not rule.tolerance else f'up to {rule.tolerance} are'} tolerated.",
        "## Why it matters",
        rule.reason,
        f"It is **{rule.severity.value}**: {SEVERITIES[rule.severity]}. "
        f"It belongs to the check `{rule.check.value}`.",
        "## An example",
        *_example(rule),
        "## What Rollcall does",
        rule.remedy,
        *_predicate(rule),
        "## How to waive it",
        _waiver(rule, suite),
        f"<sub>Made by `scripts/rule_pages.py` from `expectations/{suite.name}.json`"
        f"{' and the macro, the sentence and the unit tests of the rule' if _macro(rule.name) else ''}:"
        " edit those.</sub>",
    ]
    return "\n\n".join(parts) + "\n"


def _macro(name: str) -> str | None:
    path = ROOT / "macros" / "rules" / f"{name}.sql"
    return path.read_text(encoding="utf-8") if path.is_file() else None


def _predicate(rule: Rule) -> list[str]:
    macro = _macro(rule.name)
    if macro is None:
        return []
    body = re.sub(r"\{#.*?#\}\s*", "", macro, flags=re.DOTALL).strip()
    return [f"The predicate, in `macros/rules/{rule.name}.sql`:", f"```sql\n{body}\n```"]


def _waiver(rule: Rule, suite: Suite) -> str:
    if suite.name in NEVER_WAIVED_SUITES:
        return "It cannot be waived, because it is about the schema, which `migrate` or a person mends."
    if rule.name in ABOUT_ALL_SESSIONS:
        return "It cannot be waived, because it is about all sessions and not about one."
    if rule.severity is Severity.BLOCKING:
        how = "By key only, one line for each, because it is blocking"
        line = f"{rule.name},KEY,,the reason,the team,2027-01-31"
    else:
        how = "By key, for an agent, for what began before a day, or as a whole (`all`)"
        line = f"{rule.name},,agent_id = 17,the reason,the team,2027-01-31"
    return (
        f"{how}, with a line in `seeds/waivers.csv`:\n\n```csv\nrule,key,condition,reason,owner,expires_on\n"
        f"{line}\n```\n\nIt is shown as waived until that day, and fails again after it. "
        "A waiver concerns the verdict, not the repair: see [waivers](../waivers.md)."
    )


# --- the example, from the unit tests ---------------------------------------------------------


def _example(rule: Rule) -> list[str]:
    if rule.name in SCHEMA_EXAMPLES:
        return [SCHEMA_EXAMPLES[rule.name]]
    found = _best_example(rule.name)
    if found is None:
        return [f"{count_of(1, rule.unit)} of which this is true: {rule.reason}"]
    head = [*found.columns, "violates it"]
    lines = [head, ["---"] * len(head)]
    lines += [[*cells, "**yes**" if violates else "no"] for cells, violates in found.rows]
    return [
        f"From the rule's unit tests. {found.description}",
        "\n".join(f"| {' | '.join(_cell(cell) for cell in line)} |" for line in lines),
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _best_example(rule: str) -> Example | None:
    """The first unit test with a row that violates the rule and one that does not."""
    path = ROOT / "models" / "assessed" / "unit_tests" / f"{rule}.yml"
    if not path.is_file():
        return None
    tests = yaml.safe_load(path.read_text(encoding="utf-8"))["unit_tests"]
    examples = [example for test in tests if (example := _example_of(rule, test))]
    both = [e for e in examples if len({violates for _, violates in e.rows}) == 2]
    one = [e for e in examples if any(violates for _, violates in e.rows)]
    return next(iter([*both, *one]), None)


def _example_of(rule: str, test: Mapping[str, Any]) -> Example | None:
    expected = test["expect"]["rows"]
    if not all(isinstance(row, dict) and rule in row for row in expected):
        return None
    description = " ".join(test["description"].split())
    judged = {str(row[key]): bool(row[rule]) for row in expected for key in list(row)[:1] if key != rule}
    for given in test["given"]:
        for columns, rows in _values(str(given.get("rows", ""))):
            known = [(row, judged[row[0]]) for row in rows if row[0] in judged]
            if known and len(known) == len(judged):
                return Example(description, columns, tuple(known))
    if judged:
        key = next(iter(expected[0]))
        return Example(description, (key,), tuple(((name,), violates) for name, violates in judged.items()))
    return None


def _values(text: str) -> Iterator[tuple[tuple[str, ...], list[tuple[str, ...]]]]:
    """Each ``(values (…), (…)) as r (…)`` of a query: its columns and formatted rows."""
    for match in re.finditer(r"values\s(.*?)\)\s*as \w+ \(([^)]*)\)", text, flags=re.DOTALL):
        columns = tuple(name.strip() for name in match.group(2).split(","))
        rows = [tuple(_cells(row)) for row in _rows(match.group(1))]
        if rows and all(len(row) == len(columns) for row in rows):
            yield columns, rows


def _rows(text: str) -> Iterator[str]:
    """The contents of the outer parentheses."""
    depth, start, quoted = 0, 0, False
    for position, character in enumerate(text):
        if character == "'":
            quoted = not quoted
        elif not quoted and character == "(":
            depth += 1
            start = position + 1 if depth == 1 else start
        elif not quoted and character == ")":
            depth -= 1
            if depth == 0:
                yield text[start:position]


def _cells(row: str) -> Iterator[str]:
    for cell in re.findall(r"(?:'(?:[^']|'')*'|[^,'])+", row):
        plain = re.sub(r"^(timestamptz|date|timestamp|interval)\s+(?=')", "", cell.strip())
        plain = re.sub(r"::\w+(\[\])?$", "", plain)
        if plain.startswith("'") and plain.endswith("'"):
            plain = plain[1:-1].replace("''", "'")
        yield plain or "''"


# --- the index --------------------------------------------------------------------------------


def _index(suites: Sequence[Suite]) -> str:
    parts = [
        "# The rules",
        "A page for each rule: what it means, why it matters, an example, what Rollcall does, and how to"
        " waive it. [Adding a rule](../adding-rules.md) describes how to add one.",
    ]
    for suite in suites:
        rows = [["Rule", "Severity", "Check", "Why it matters"], ["---"] * 4]
        for rule in sorted(suite.rules, key=lambda item: list(Severity).index(item.severity)):
            link = f"[`{rule.name}`]({rule.name}.md)"
            rows.append([link, rule.severity.value, f"`{rule.check.value}`", rule.reason])
        parts += [
            f"## {suite.name.capitalize()}",
            f"Over {OVER[suite.name]}.",
            "\n".join(f"| {' | '.join(row)} |" for row in rows),
        ]
    return "\n\n".join(parts) + "\n"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
