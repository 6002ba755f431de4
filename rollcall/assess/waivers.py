"""Accepted exceptions: the one door to the waivers, a dbt seed that is read as a file.

A waiver says that certain violations of a rule are known and accepted, by whom, why, and until
which day. The file is `seeds/waivers.csv` (the var `waivers_file`). `dbt seed` can load it for people
who want to join it; what `assess` judges by is the file itself, so that it works on a database
where nothing is deployed, with SELECT alone. Which rows a waiver matches the database says, exactly.
"""

from __future__ import annotations

import csv
import difflib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rollcall.database.connections import Row, Snapshot
from rollcall.errors import ConfigurationError, EvaluationError
from rollcall.rules.custom_rules import own_suites
from rollcall.rules.results import Severity
from rollcall.rules.waiver import ALL, Waiver, WaiverResult, state_of

if TYPE_CHECKING:
    from rollcall.rules.suites import Suite
    from rollcall.workspace import Workspace

__all__ = [
    "ABOUT_THE_WHOLE_FLOOR",
    "NEVER_WAIVED_SUITES",
    "Keys",
    "Waived",
    "read_waivers",
]

COLUMNS = ("rule", "key", "condition", "reason", "owner", "expires_on")
NEVER_WAIVED_SUITES = ("schema", "cleaned_sessions", "routable_agents")
ABOUT_THE_WHOLE_FLOOR = ("heartbeat_feed", "no_active_agents", "silent_feed")

BEGINNING = f"its first line is {','.join(COLUMNS)}"

_CONDITION = re.compile(r"(agent_id|began_before)\s*=\s*(\S.*)")
_EXAMPLE = "write `all`, `agent_id = 17` or `began_before = 2026-01-31`"


@dataclass(frozen=True)
class Keys:
    """The first keys of a rule that count and of those that are waived, and the exact number of both."""

    failing: tuple[str, ...] = ()
    waived: tuple[str, ...] = ()
    failing_total: int = 0
    waived_total: int = 0

    @property
    def total(self) -> int:
        return self.failing_total + self.waived_total


class Waived:
    """The waivers of one assess: which there are, and what has become of them.

    Attributes:
        own: the user's own suites, whose rules can be waived too.
        results: of those whose suite was judged, in that order.
    """

    def __init__(self, waivers: Sequence[Waiver], own: Mapping[str, Suite]) -> None:
        self._waivers = waivers
        self._today = date.min
        self.own = own
        self.results: list[WaiverResult] = []

    @classmethod
    def read(cls, workspace: Workspace) -> Waived:
        """The waivers of the configured file.

        Raises:
            ConfigurationError: the file, or a suite of the user's own, has a mistake.
        """
        settings = workspace.settings
        own = own_suites(settings, workspace.suites)
        path = settings.path_of("waivers_file")
        if "waivers_file" in settings.overrides and not path.is_file():
            raise ConfigurationError(f"there is no file {path}", "correct the var waivers_file")
        return cls(read_waivers(path, {**workspace.suites, **own}), own)

    def begin(self, now: datetime) -> None:
        """Expiry is judged by the database's clock, whatever instant the rules are judged at."""
        self._today = now.astimezone(UTC).date()

    def of(self, suite: Suite) -> tuple[Waiver, ...]:
        names = {rule.name for rule in suite.rules}
        return tuple(waiver for waiver in self._waivers if waiver.rule in names)

    def judge(self, snapshot: Snapshot, query: str, suite: Suite) -> dict[str, Keys]:
        """Run a query of `judged_violations`: the keys by rule; notes what each waiver came to."""
        waivers = self.of(suite)
        given = [{**w.to_row(), "is_active": not w.has_expired(self._today)} for w in waivers]
        rows = snapshot.rows(query, [json.dumps(given)])
        matches = {row["line"]: row["total"] for row in rows if row["line"] is not None}
        for waiver in waivers:
            found = matches.get(waiver.line, 0)
            self.results.append(WaiverResult(waiver, state_of(waiver, found, self._today), found))
        return _keys_by_rule([row for row in rows if row["line"] is None])


def _keys_by_rule(rows: Sequence[Row]) -> dict[str, Keys]:
    lists: dict[tuple[str, bool], list[str]] = {}
    totals: dict[tuple[str, bool], int] = {}
    for row in rows:
        if row["rule"] is None or row["key"] is None:
            raise EvaluationError("a violation without a rule or without a key was found", "give it both")
        which = (row["rule"], row["is_waived"])
        lists.setdefault(which, []).append(row["key"])
        totals[which] = row["total"]
    return {
        rule: Keys(
            failing=tuple(lists.get((rule, False), ())),
            waived=tuple(lists.get((rule, True), ())),
            failing_total=totals.get((rule, False), 0),
            waived_total=totals.get((rule, True), 0),
        )
        for rule in dict.fromkeys(row["rule"] for row in rows)
    }


def read_waivers(path: Path, suites: Mapping[str, Suite]) -> tuple[Waiver, ...]:
    """The waivers of the file, in its order; none if there is no such file.

    A message names the file and the line, never their content: the var may name any file by mistake.

    Args:
        suites: those of Rollcall and the user's own, by name.

    Raises:
        ConfigurationError: naming the line and what to write.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey="_more", restval=None, strict=True)
            rows = [(reader.line_num, row) for row in reader]
            columns = tuple(reader.fieldnames or ())
    except FileNotFoundError:
        return ()
    except OSError as error:
        raise ConfigurationError(f"{path} cannot be read: {error.strerror}", BEGINNING) from error
    except (UnicodeDecodeError, csv.Error) as error:
        why = "it is not UTF-8" if isinstance(error, UnicodeDecodeError) else str(error)
        raise ConfigurationError(f"{path} cannot be read as CSV ({why})", BEGINNING) from None
    if columns != COLUMNS:
        raise ConfigurationError(f"{path}, line 1 does not name the columns of waivers", BEGINNING)
    rules = _waivable(suites)
    waivers = tuple(_waiver(f"{path}, line {line}", line, row, rules) for line, row in rows)
    _refuse_twice(path, waivers)
    return waivers


def _waivable(suites: Mapping[str, Suite]) -> dict[str, tuple[Severity, str]]:
    """Every rule with its severity, and why it may not be waived (empty if it may)."""
    known: dict[str, tuple[Severity, str]] = {}
    for suite in suites.values():
        for rule in suite.rules:
            why_not = ""
            if suite.name in NEVER_WAIVED_SUITES:
                why_not = "it is about the schema or the cleaned views"
            elif rule.name in ABOUT_THE_WHOLE_FLOOR:
                why_not = "it is about the whole floor, and not about one session"
            known[rule.name] = (rule.severity, why_not)
    return known


def _waiver(
    where: str, line: int, row: Mapping[str, Any], rules: Mapping[str, tuple[Severity, str]]
) -> Waiver:
    if "_more" in row or any(row[name] is None for name in COLUMNS):
        raise ConfigurationError(
            f"{where} does not have {len(COLUMNS)} values", 'put a value with a comma in it in "quotes"'
        )
    cells = {name: str(row[name]).strip() for name in COLUMNS}
    name = cells["rule"]
    if name not in rules:
        near = difflib.get_close_matches(name[:100], rules, n=1)
        raise ConfigurationError(
            f"{where}: there is no rule of this name",
            f"did you mean {near[0]}?" if near else "docs/rules/ has them all",
        )
    severity, why_not = rules[name]
    if why_not:
        raise ConfigurationError(f"{where}: {name} cannot be waived: {why_not}", "remove the line")
    for column in ("reason", "owner"):
        if not cells[column]:
            raise ConfigurationError(f"{where}: the {column} is missing", "each waiver needs one")
    if bool(cells["key"]) == bool(cells["condition"]):
        raise ConfigurationError(f"{where}: give either a key or a condition", f"for a condition {_EXAMPLE}")
    condition, value = _condition(where, cells["condition"]) if cells["condition"] else (None, None)
    if condition is not None and severity is Severity.BLOCKING:
        raise ConfigurationError(
            f"{where}: {name} is blocking, so it is waived by key only", "give a line for each key"
        )
    return Waiver(
        line=line,
        rule=name,
        key=cells["key"] or None,
        condition=condition,
        value=value,
        reason=cells["reason"],
        owner=cells["owner"],
        expires_on=_day(where, "expires_on", cells["expires_on"]),
    )


def _condition(where: str, text: str) -> tuple[str, str | None]:
    if text == ALL:
        return ALL, None
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise ConfigurationError(f"{where}: the condition is not understood", _EXAMPLE)
    name, value = match.groups()
    if name == "began_before":
        return name, _day(where, name, value).isoformat()
    return name, value


def _day(where: str, what: str, text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"{where}: {what} is no day", "write it like 2026-12-31") from None


def _refuse_twice(path: Path, waivers: Sequence[Waiver]) -> None:
    seen: dict[tuple[Any, ...], int] = {}
    for waiver in waivers:
        what = (waiver.rule, waiver.key, waiver.condition, waiver.value)
        if what in seen:
            raise ConfigurationError(
                f"{path}: lines {seen[what]} and {waiver.line} waive the same", "remove one of them"
            )
        seen[what] = waiver.line
