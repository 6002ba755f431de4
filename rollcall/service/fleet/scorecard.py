"""The scorecard of a fleet: one row per database, compared with the scorecard before."""

from __future__ import annotations

import functools
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template

from rollcall import __version__, report
from rollcall.process.files import replaced_file
from rollcall.report.text import in_words, moment, number, printable
from rollcall.rules.results import Verdict
from rollcall.rules.verdict import DECISIVE, HEADLINES, TONES
from rollcall.service.fleet.entries import Entry
from rollcall.service.fleet.judging import ASSESS, CLEAN, Answer

__all__ = ["NOT_ALL_EVALUATED", "NOT_ALL_READY", "Scorecard", "Standing", "read_scorecard", "standing_of"]

NOT_ALL_READY = 14
NOT_ALL_EVALUATED = 15
JSON, PAGE = "scorecard.json", "index.html"

_ORDER = list(Verdict)  # the better ones first, as the verdicts are declared


@dataclass(frozen=True)
class Standing:
    """Where one database stands.

    Attributes:
        verdict: none where it was not evaluated now.
        problem: why it was not evaluated, in one line; empty otherwise.
        judged_at: the instant of its last evaluation, ISO 8601 in UTC; none if there was none.
        last_verdict: of that evaluation.
        since: the instant from which on each evaluation had that verdict.
        blocked_by: the rules that decide the verdict, with severity and number of violations.
        violations: the sum of them.
        trend: ``new``, ``better``, ``same`` or ``worse`` than on the scorecard before.
        cleaned: what the clean-up did; none without one.
        attempts: how often it was started.
        seconds: how long it took, pauses between attempts included.
    """

    name: str
    owner: str
    verdict: str | None
    problem: str
    judged_at: str | None
    last_verdict: str | None
    since: str | None
    blocked_by: tuple[Mapping[str, Any], ...] = ()
    violations: int = 0
    open_sessions: int | None = None
    pending_statements: int | None = None
    pending_changes: int | None = None
    trend: str = "new"
    cleaned: Mapping[str, Any] | None = None
    attempts: int = 0
    seconds: float = 0.0

    def blocker(self, shown: int) -> str:
        """What keeps it from being ready, with so many rules at most; empty if it is ready."""
        if self.problem:
            return self.problem
        named = [f"{rule['rule']} {rule['violations']:,}" for rule in self.blocked_by[:shown]]
        more = len(self.blocked_by) - shown
        return ", ".join([*named, f"{more} more"] if more > 0 else named)

    @property
    def tone(self) -> str:
        return TONES[Verdict(self.verdict)] if self.verdict else "none"

    @property
    def title(self) -> str:
        return HEADLINES[Verdict(self.verdict)][1] if self.verdict else "NOT EVALUATED"

    def age_at(self, now: datetime) -> str:
        """How long ago it was evaluated, in words."""
        if self.judged_at is None:
            return "never"
        return f"{in_words(max(0.0, (now - datetime.fromisoformat(self.judged_at)).total_seconds()))} ago"

    def compared_with(self, before: Standing | None) -> Standing:
        """This standing with its trend, and with the last verdict where it was not evaluated now."""
        if before is None:
            return self
        trend = "same"
        if _rank(self) != _rank(before):
            trend = "worse" if _rank(self) > _rank(before) else "better"
        if self.verdict is None:
            return replace(
                self,
                trend=trend,
                judged_at=before.judged_at,
                last_verdict=before.last_verdict,
                since=before.since,
            )
        since = before.since if before.last_verdict == self.verdict else self.since
        return replace(self, trend=trend, since=since)


def _rank(standing: Standing) -> tuple[int, int]:
    if standing.verdict is None:
        return len(_ORDER), 0
    return _ORDER.index(Verdict(standing.verdict)), standing.violations


def standing_of(
    entry: Entry, answers: Mapping[str, Answer], attempts: int, seconds: float, before: Standing | None
) -> Standing:
    """The standing of a database by the answers of its commands."""
    last = answers.get(ASSESS[0], Answer(None, None))
    cleaned = answers.get(CLEAN[0])
    document = last.document or {}
    rules = tuple(
        {
            "rule": rule["name"],
            "severity": rule["severity"],
            "violations": rule["violations"] - rule["waived"],
        }
        for rule in document.get("rules", ())
        if not rule["passed"] and not rule["not_judged"] and rule["severity"] in DECISIVE
    )
    is_evaluated = bool(document)
    problem = "" if is_evaluated else last.problem or (cleaned.problem if cleaned else "")
    standing = Standing(
        name=entry.name,
        owner=entry.owner,
        verdict=document.get("verdict"),
        problem=problem,
        judged_at=document.get("judged_at"),
        last_verdict=document.get("verdict"),
        since=document.get("judged_at"),
        blocked_by=tuple(sorted(rules, key=lambda rule: (rule["severity"], -rule["violations"]))),
        violations=sum(rule["violations"] for rule in rules),
        open_sessions=document.get("facts", {}).get("open_sessions"),
        pending_statements=document.get("pending_statements"),
        pending_changes=document.get("pending_changes"),
        cleaned=_cleaned(cleaned),
        attempts=attempts,
        seconds=round(seconds, 1),
    )
    return standing.compared_with(before)


def _cleaned(answer: Answer | None) -> dict[str, Any] | None:
    if answer is None:
        return None
    document = answer.document or {}
    return {
        "exit_code": answer.exit_code,
        "run_id": document.get("run_id"),
        "changed": document.get("changed"),
        "skipped": len(document["skipped"]) if "skipped" in document else None,
        "problem": answer.problem or None,
    }


@dataclass(frozen=True)
class Scorecard:
    """All standings, the worst first.

    Attributes:
        started_at, finished_at: instants in UTC.
    """

    started_at: datetime
    finished_at: datetime
    standings: tuple[Standing, ...]

    @property
    def in_order(self) -> list[Standing]:
        """Not evaluated, then by verdict and violations, then by name."""
        return sorted(
            self.standings, key=lambda standing: (*(-part for part in _rank(standing)), standing.name)
        )

    @property
    def counts(self) -> dict[str, int]:
        """The number of databases with each verdict, and of those not evaluated."""
        found = Counter(standing.verdict for standing in self.standings)
        return {verdict.value: found[verdict.value] for verdict in Verdict} | {"NOT_EVALUATED": found[None]}

    @property
    def exit_code(self) -> int:
        """0: all are ready. 14: some are not. 15: some were not evaluated."""
        if any(standing.verdict is None for standing in self.standings):
            return NOT_ALL_EVALUATED
        are_ready = all(standing.verdict == Verdict.READY.value for standing in self.standings)
        return 0 if are_ready else NOT_ALL_READY

    @property
    def title(self) -> str:
        """The state in capitals, as Prefect shows it."""
        return {0: "ALL_READY", NOT_ALL_READY: "SOME_NOT_READY"}.get(self.exit_code, "SOME_NOT_EVALUATED")

    @property
    def summary(self) -> str:
        return f"{self.counts['READY']} of {len(self.standings)} ready."

    def to_markdown(self) -> str:
        """A table with one row per database, the worst first."""
        lines = [self.summary, "", "| database | verdict | blocked by | owner | trend |", "|---" * 5 + "|"]
        for standing in self.in_order:
            cells = (standing.name, standing.title, standing.blocker(3), standing.owner, standing.trend)
            lines.append(f"| {' | '.join(_cell(cell) for cell in cells)} |")
        return "\n".join(lines) + "\n"

    def to_json(self) -> dict[str, Any]:
        return {
            "started_at": self.started_at.isoformat(),
            "finished_at": self.finished_at.isoformat(),
            "counts": self.counts,
            "databases": [
                asdict(standing) | {"blocked_by": list(standing.blocked_by)} for standing in self.in_order
            ],
        }

    def write(self, folder: Path) -> Path:
        """Write ``scorecard.json`` and ``index.html``; each appears complete or not at all.

        Returns:
            The path of the page.

        Raises:
            ConfigurationError: the folder cannot be written.
        """
        texts = {JSON: json.dumps(self.to_json(), indent=2, ensure_ascii=False) + "\n", PAGE: self.page()}
        for name, text in texts.items():
            with replaced_file(folder / name) as file:
                file.write(text.encode("utf-8", "replace"))
        return folder / PAGE

    def page(self) -> str:
        """The scorecard as one HTML page that loads nothing."""
        worst = self.in_order[0]
        return _template().render(
            scorecard=self,
            worst=worst,
            titles={verdict.value: HEADLINES[verdict][1] for verdict in Verdict},
            version=__version__,
        )


def _cell(text: str) -> str:
    """Text in a cell of a Markdown table, without markup."""
    return re.sub(r"([\\`*_\[\]<>|#])", r"\\\1", printable(text))


def read_scorecard(folder: Path) -> Mapping[str, Standing]:
    """The standings of the scorecard before, by name; empty where there is none that can be read."""
    try:
        document = json.loads((folder / JSON).read_text(encoding="utf-8"))
        return {row["name"]: Standing(**row) for row in document["databases"]}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def merged(now: Sequence[Standing], before: Mapping[str, Standing], names: Sequence[str]) -> list[Standing]:
    """The standings of all databases of the file: those judged now, and the others as they were."""
    judged = {standing.name: standing for standing in now}
    return [judged.get(name) or before[name] for name in names if name in judged or name in before]


@functools.cache
def _template() -> Template:
    folders = [Path(__file__).parent, Path(report.__file__).parent]
    environment = Environment(
        loader=FileSystemLoader(folders),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=lambda value: printable(value) if type(value) is str else value,
    )
    environment.filters.update(number=number, moment=moment)
    return environment.get_template("scorecard.html.j2")
