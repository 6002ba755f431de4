"""`rollcall assess` against twelve of its rules in Soda, Great Expectations, dbt and plain queries.

Whole commands. Every tool gets the same query for a rule (`rules/*.sql`), in the form that its own users
would choose. It must find the same rows as Rollcall, which is checked. Rollcall judges three times as many
rules.
"""

from __future__ import annotations

import os
import statistics
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from benchmarks import call_centres
from benchmarks.assess import checklist_query
from benchmarks.measure import Goal, Line, Taken, at_most, ratio_line, seconds, taken_by
from benchmarks.options import Options
from benchmarks.peers.rules import RULES
from benchmarks.peers.tools import Found, Tool, all_tools, queries_tool
from benchmarks.server import ROLLCALL, Databases, settle
from rollcall.sandbox.demo import DefectCounts, Scale
from rollcall.settings.configuration import PROJECT_DIRECTORY
from rollcall.steps.assess.assessment import assess

GOALS = {"Soda": at_most(0.4), "Great Expectations": at_most(0.2)}
CHECKLIST = "one query for all rules (checklist.sql, counts alone)"
EVERY_KEY = "{failing_keys_per_rule: 1000000000, sample_keys_per_rule: 1000000000}"
VERDICTS = (0, 10, 11, 12)


def measure(databases: Databases, options: Options) -> Iterator[Line]:
    url = _call_centre(databases, options)
    _check_same_rows(databases, url)
    _assess(databases, url)  # compiles the project
    peers = all_tools(url, databases.folder / "peers")
    peers.append(
        queries_tool(CHECKLIST, url, databases.folder, {"checklist": checklist_query(is_migrated=False)})
    )
    ours: list[Taken] = []
    taken: dict[str, list[Taken]] = {tool.name: [] for tool in peers}
    for _ in range(options.pairs):
        ours.append(taken_by(lambda: _assess(databases, url)))
        for tool in peers:
            taken[tool.name].append(taken_by(tool.judge))
    for name, runs in taken.items():
        yield _line(
            f"rollcall assess, {options.sessions:,} sessions, against {name}", ours, runs, GOALS.get(name)
        )


def _call_centre(databases: Databases, options: Options) -> str:
    """A call centre that is not migrated yet, one agent and two thousand calls to a thousand sessions."""
    agents = call_centres.agents_of(options.sessions)
    scale = Scale(agents=agents, sessions=options.sessions, calls=2 * options.sessions)
    url = databases.create("peers")
    call_centres.load(url, scale, DefectCounts.usual(scale).plus(unknown_status=3))
    settle(url)
    return url


def _line(what: str, ours: list[Taken], theirs: list[Taken], goal: Goal | None) -> Line:
    """The ratio of the wall times; the text has the time of the client on the processor too."""
    walls = ([run.wall for run in ours], [run.wall for run in theirs])
    line = ratio_line(what, *walls, goal, seconds)
    return replace(line, ours=f"{line.ours} {_cpu(ours)}", other=f"{line.other} {_cpu(theirs)}")


def _cpu(runs: list[Taken]) -> str:
    return f"(client {statistics.median(run.cpu for run in runs):.1f} s)"


def _assess(databases: Databases, url: str) -> None:
    done = subprocess.run(
        [*ROLLCALL, "assess"],
        env={**os.environ, **databases.environment(url)},
        cwd=Path(PROJECT_DIRECTORY),
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in VERDICTS:
        raise RuntimeError(f"rollcall assess ended with {done.returncode}: {done.stderr[-500:]}")


def _check_same_rows(databases: Databases, url: str) -> None:
    """Check that every tool finds the rows that Rollcall finds, at one instant.

    Raises:
        RuntimeError: names the tool and the rule that differ.
    """
    assessment = assess(databases.workspace(url, EVERY_KEY))
    ours = {rule.name: Found(rule.violations, frozenset(rule.keys)) for rule in assessment.rules}
    for tool in all_tools(url, databases.folder / "peers-check", assessment.judged_at):
        found = tool.found()
        for rule in RULES:
            _check_rule(tool, rule, found[rule], ours[rule])


def _check_rule(tool: Tool, rule: str, theirs: Found, ours: Found) -> None:
    if not ours.count:
        raise RuntimeError(f"{rule}: the call centre has no such row, so that nothing is compared")
    if theirs.count != ours.count or not theirs.keys <= ours.keys or not theirs.keys:
        raise RuntimeError(
            f"{rule}: {tool.name} finds {theirs.count} rows, Rollcall {ours.count}; only there: "
            f"{sorted(theirs.keys - ours.keys)[:3]}, only here: {sorted(ours.keys - theirs.keys)[:3]}"
        )
