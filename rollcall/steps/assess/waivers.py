"""Read the waivers, and match them with the violations of an assessment.

A waiver accepts certain violations of a rule, with an owner, a reason and a last day. The file is
`seeds/waivers.csv` (the var `waivers_file`). It is also a dbt seed, but `assess` reads the file itself, so
that it needs no deployed table. The database matches the waivers with the rows, with exact counts.
"""

from __future__ import annotations

import csv
import difflib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from rollcall.database.connections import Row, Snapshot
from rollcall.errors import ConfigurationError, ConfigurationProblems, EvaluationError
from rollcall.rules.custom_rules import read_custom_suites
from rollcall.rules.results import Severity
from rollcall.rules.waiver import ALL, Waiver, WaiverResult, state_of
from rollcall.settings.problems import details_of, problem

if TYPE_CHECKING:
    from rollcall.rules.suites import Suite
    from rollcall.workspace import Workspace

__all__ = [
    "ABOUT_ALL_SESSIONS",
    "NEVER_WAIVED_SUITES",
    "Keys",
    "Waived",
    "read_waivers",
]

COLUMNS = ("rule", "key", "condition", "reason", "owner", "expires_on")
NEVER_WAIVED_SUITES = ("schema", "cleaned_sessions", "routable_agents")
ABOUT_ALL_SESSIONS = ("heartbeat_feed", "no_active_agents", "silent_feed")

MORE = "_more"  # the values beyond the columns
BEGINNING = f"its first line is {','.join(COLUMNS)}"

_CONDITION = re.compile(r"(agent_id|began_before)\s*=\s*(\S.*)")
_EXAMPLE = "write `all`, `agent_id = 17` or `began_before = 2026-01-31`"


@dataclass(frozen=True)
class Keys:
    """The first failing and waived keys of a rule, and the exact number of both."""

    failing: tuple[str, ...] = ()
    waived: tuple[str, ...] = ()
    failing_total: int = 0
    waived_total: int = 0

    @property
    def total(self) -> int:
        return self.failing_total + self.waived_total


class Waived:
    """The waivers of one assessment, and their results.

    Attributes:
        custom: the custom suites, whose rules can be waived too.
        results: the results of the waivers whose suite was judged, in that order.
    """

    def __init__(self, waivers: Sequence[Waiver], custom: Mapping[str, Suite]) -> None:
        self._waivers = waivers
        self._today = date.min
        self.custom = custom
        self.results: list[WaiverResult] = []

    @classmethod
    def read(cls, workspace: Workspace) -> Waived:
        """Read the waivers of the configured file.

        Raises:
            ConfigurationError: the file or a custom suite has a mistake.
        """
        settings = workspace.settings
        custom = read_custom_suites(settings, workspace.suites)
        path = settings.path_of("waivers_file")
        if "waivers_file" in settings.overrides and not path.is_file():
            raise ConfigurationError(f"there is no file {path}", "correct the var waivers_file")
        return cls(read_waivers(path, {**workspace.suites, **custom}), custom)

    def begin(self, now: datetime) -> None:
        """Set the day for the expiry, by the database's clock."""
        self._today = now.astimezone(UTC).date()

    def of(self, suite: Suite) -> tuple[Waiver, ...]:
        names = {rule.name for rule in suite.rules}
        return tuple(waiver for waiver in self._waivers if waiver.rule in names)

    def judge(
        self, snapshot: Snapshot, query: str, suite: Suite, *, may_lack_keys: bool = False
    ) -> dict[str, Keys]:
        """Run a query of `judged_violations`; gives the keys by rule, adds results.

        Args:
            may_lack_keys: count a violation without a key and do not name it, instead of raising an error.
        """
        return _keys_by_rule(self._judged(snapshot, query, suite)[1], may_lack_keys=may_lack_keys)

    def judge_with_counts(
        self, snapshot: Snapshot, query: str, suite: Suite
    ) -> tuple[dict[str, Any], dict[str, Keys]]:
        """Run such a query; gives its row of counts and the keys by rule."""
        counts, named = self._judged(snapshot, query, suite)
        return counts, _keys_by_rule(named, may_lack_keys=True)

    def _judged(self, snapshot: Snapshot, query: str, suite: Suite) -> tuple[dict[str, Any], list[Row]]:
        """Run such a query, add results; gives its row of counts (empty: none) and the rows of keys."""
        waivers = self.of(suite)
        given = [{**w.to_row(), "is_active": not w.has_expired(self._today)} for w in waivers]
        rows = snapshot.rows(query, [json.dumps(given)])
        matches = {row["line"]: row["total"] for row in rows if row["line"] is not None}
        for waiver in waivers:
            found = matches.get(waiver.line, 0)
            self.results.append(WaiverResult(waiver, state_of(waiver, found, self._today), found))
        counts: dict[str, Any] = next((row["counts"] for row in rows if row["counts"] is not None), {})
        return counts, [row for row in rows if row["line"] is None and row["counts"] is None]


def _keys_by_rule(rows: Sequence[Row], *, may_lack_keys: bool) -> dict[str, Keys]:
    lists: dict[tuple[str, bool], list[str]] = {}
    totals: dict[tuple[str, bool], int] = {}
    for row in rows:
        if row["rule"] is None or (row["key"] is None and not may_lack_keys):
            raise EvaluationError(
                "a query gives a violation without a rule or without a key", "Give each row both"
            )
        which = (row["rule"], row["is_waived"])
        lists.setdefault(which, [])
        if row["key"] is not None:  # a configured key may be null
            lists[which].append(row["key"])
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
    """Read the waivers of a file, in its order; none if the file does not exist.

    A message has the file and the line without their content, because the var may name any file by mistake.

    Args:
        suites: those of Rollcall and the custom ones, by name.

    Raises:
        ConfigurationError: it is not a file of waivers.
        ConfigurationProblems: the mistakes, each with its line and the remedy.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            reader = csv.DictReader(file, restkey=MORE, restval=None, strict=True)
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
    waivers: list[Waiver] = []
    problems: list[str] = []
    for line, row in rows:
        try:
            waivers.append(_waiver(line, row, rules))
        except ValidationError as error:
            problems += [f"{path}, line {line}: {details['msg']}" for details in details_of(error)]
    problems += _repeated(path, waivers)
    if problems:
        raise ConfigurationProblems(problems)
    return tuple(waivers)


def _waivable(suites: Mapping[str, Suite]) -> dict[str, tuple[Severity, str]]:
    """The severity of each rule, and why it cannot be waived (empty: it can)."""
    known: dict[str, tuple[Severity, str]] = {}
    for suite in suites.values():
        for rule in suite.rules:
            why_not = ""
            if suite.name in NEVER_WAIVED_SUITES:
                why_not = "it judges the schema or the cleaned views"
            elif rule.name in ABOUT_ALL_SESSIONS:
                why_not = "it judges all sessions together, and not one session"
            known[rule.name] = (rule.severity, why_not)
    return known


def _waiver(line: int, row: Mapping[str, Any], rules: Mapping[str, tuple[Severity, str]]) -> Waiver:
    """Parse a line of the file.

    Raises:
        ValidationError: the mistakes of the line, without its content.
    """
    cells = _Line.model_validate(row, context=rules)
    return Waiver(
        line=line,
        rule=cells.rule,
        key=cells.key or None,
        condition=cells.condition[0] if cells.condition else None,
        value=cells.condition[1] if cells.condition else None,
        reason=cells.reason,
        owner=cells.owner,
        expires_on=cells.expires_on,
    )


def _rule(name: str, info: ValidationInfo) -> str:
    rules: Mapping[str, tuple[Severity, str]] = info.context or {}
    if name not in rules:
        near = difflib.get_close_matches(name[:100], rules, n=1)
        raise problem(
            "there is no rule of this name",
            f"did you mean {near[0]}?" if near else "`rollcall rules` lists them",
        )
    if why_not := rules[name][1]:
        raise problem(f"{name} cannot be waived: {why_not}", "remove the line")
    return name


def _filled(text: str, info: ValidationInfo) -> str:
    if not text:
        raise problem(f"the {info.field_name} is missing", "each waiver needs one")
    return text


def _condition(text: str) -> tuple[str, str | None] | None:
    if not text:
        return None
    if text == ALL:
        return ALL, None
    match = _CONDITION.fullmatch(text)
    if match is None:
        raise problem("the condition is not understood", _EXAMPLE)
    name, value = match.groups()
    return name, _day(value, name).isoformat() if name == "began_before" else value


def _day(text: str, what: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise problem(f"{what} is no day", "write it like 2026-12-31") from None


Filled = Annotated[str, AfterValidator(_filled)]


class _Line(BaseModel):
    """The cells of a line, stripped."""

    rule: Annotated[str, AfterValidator(_rule)]
    key: str
    condition: Annotated[
        tuple[str, str | None] | None, BeforeValidator(lambda text: _condition(text.strip()))
    ]
    reason: Filled
    owner: Filled
    expires_on: Annotated[date, BeforeValidator(lambda text: _day(text, "expires_on"))]

    @model_validator(mode="before")
    @classmethod
    def _has_all_values(cls, row: Mapping[str, Any]) -> Mapping[str, Any]:
        if MORE in row or any(row[name] is None for name in COLUMNS):
            raise problem(
                f"it does not have {len(COLUMNS)} values", 'put a value with a comma in it in "quotes"'
            )
        return {name: row[name].strip() for name in COLUMNS}

    @model_validator(mode="after")
    def _waives_by_key_or_condition(self, info: ValidationInfo) -> Self:
        if bool(self.key) == (self.condition is not None):
            raise problem("give either a key or a condition", f"for a condition {_EXAMPLE}")
        rules: Mapping[str, tuple[Severity, str]] = info.context or {}
        if self.condition is not None and rules[self.rule][0] is Severity.BLOCKING:
            raise problem(f"{self.rule} is blocking, so it is waived by key only", "give a line for each key")
        return self


def _repeated(path: Path, waivers: Sequence[Waiver]) -> Iterator[str]:
    """Describe the lines that repeat an earlier waiver."""
    seen: dict[tuple[Any, ...], int] = {}
    for waiver in waivers:
        first = seen.setdefault((waiver.rule, waiver.key, waiver.condition, waiver.value), waiver.line)
        if first != waiver.line:
            text = f"{path}: lines {first} and {waiver.line} waive the same"
            yield str(ConfigurationError(text, "remove one of them"))
