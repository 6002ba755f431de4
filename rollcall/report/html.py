"""The readiness report: one HTML page that loads nothing, runs no script and prints well."""

from __future__ import annotations

import base64
import functools
import os
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from rollcall import __version__
from rollcall.report import charts, charts_of_days, text, words
from rollcall.report import words_of_changes as change_words
from rollcall.report.outcome import RunOutcome
from rollcall.rules.results import NOT_JUDGED, Assessment
from rollcall.rules.verdict import TONES

__all__ = ["DATA_DOCS", "render", "write_report"]

DATA_DOCS = Path("data-docs", "index.html")
LINEAGE = "lineage.html"  # beside the folders of the reports; `rollcall docs` writes it

KEYS_SHOWN = 50
ROWS_SHOWN = 200
REASONS_SHOWN = 20
LONGEST_KEY = 200

_CHECK_TONES = {"PASS": "good", "NEEDS_CLEANUP": "fair", "FAIL": "bad", NOT_JUDGED: "none"}
_CHECK_WORDS = {
    "PASS": "passes",
    "NEEDS_CLEANUP": "needs cleaning",
    "FAIL": "fails",
    NOT_JUDGED: "not judged",
}
_CHECK_WORDS_PAST = {
    "PASS": "passed",
    "NEEDS_CLEANUP": "needed cleaning",
    "FAIL": "failed",
    NOT_JUDGED: "not judged",
}
_CHECK_SYMBOLS = {"PASS": "✓", "NEEDS_CLEANUP": "!", "FAIL": "✕", NOT_JUDGED: "–"}
_ICON_COLOURS = {"good": "#2da44e", "fair": "#d4a72c", "bad": "#cf222e", "none": "#8c959f"}
_FACTS = {
    "open_sessions": "open sessions",
    "working_sessions": "of them working",
    "active_agents": "active agents",
}


def write_report(directory: Path, outcome: RunOutcome) -> Path:
    """Write the report of one run.

    Args:
        directory: created if missing. Existing data docs in it, and the page `LINEAGE` beside it, are linked.

    Returns:
        The path of its ``index.html``, which appears complete or not at all.

    Raises:
        OSError: the folder cannot be written.
    """
    directory.mkdir(parents=True, exist_ok=True)
    page = render(
        outcome,
        has_data_docs=(directory / DATA_DOCS).is_file(),
        has_lineage=(directory.parent / LINEAGE).is_file(),
    )
    index = directory / "index.html"
    unfinished = directory / ".index.html.part"
    unfinished.write_text(page, encoding="utf-8", newline="\n")
    os.replace(unfinished, index)  # noqa: PTH105 - one atomic step
    return index


def render(outcome: RunOutcome, *, has_data_docs: bool = False, has_lineage: bool = False) -> str:
    """Render the page. Its size is bounded for any number of violations and skipped rows."""
    latest = outcome.latest
    tone = TONES[latest.verdict] if latest else "none"
    rule_charts = charts.charts_of_rules(latest) if latest else []
    presence_chart = _presence_chart(latest)
    day_chart = charts.presence_over_day(latest.looks) if latest else None
    ghost_chart = charts_of_days.ghost_hours_by_day(latest.ghost_days) if latest else None
    level_chart = charts_of_days.service_level_by_hour(latest.hours_of_day) if latest else None
    page = _template().render(
        outcome=outcome,
        latest=latest,
        compared=outcome.compared,
        tone=tone,
        icon=_icon(tone),
        facts=_facts(latest),
        units=words.units_of(latest) if latest else {},
        rule_charts=rule_charts,
        presence_chart=presence_chart,
        day_chart=day_chart,
        ghost_chart=ghost_chart,
        level_chart=level_chart,
        drawings=charts.drawings_of([*rule_charts, presence_chart, day_chart, ghost_chart, level_chart]),
        presence_sessions=charts.shown_sessions(latest.presence) if latest and latest.presence else [],
        data_docs=DATA_DOCS.as_posix() if has_data_docs else None,
        lineage=f"../{LINEAGE}" if has_lineage else None,
        version=__version__,
        keys_shown=KEYS_SHOWN,
        rows_shown=ROWS_SHOWN,
    )
    return page.lstrip()


@functools.cache
def _template() -> Template:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        finalize=_finalize,
    )
    environment.globals.update(
        words=words,
        change_words=change_words,
        states=charts.STATES,
        lines=charts.LINES,
        phases=charts_of_days.PHASES,
        check_tones=_CHECK_TONES,
        check_words=_CHECK_WORDS,
        check_words_past=_CHECK_WORDS_PAST,
        check_symbols=_CHECK_SYMBOLS,
        tones=TONES,
        skipped_statements=lambda rows: change_words.grouped(rows, "object", REASONS_SHOWN, KEYS_SHOWN),
        skipped_sessions=lambda rows: change_words.grouped(rows, "session_id", REASONS_SHOWN, KEYS_SHOWN),
    )
    environment.filters.update(
        number=text.number,
        moment=_moment,
        prose=_prose,
        key=_key,
        value=_value,
        duration=text.in_words,
        drawn=Markup,
    )
    return environment.get_template("template.html.j2")


def _finalize(value: Any) -> Any:
    """Clean every printed value of the template before it is escaped."""
    return text.printable(value) if type(value) is str else value


def _moment(instant: datetime) -> Markup:
    iso = instant.astimezone(UTC).isoformat(timespec="seconds")
    return Markup('<time datetime="{}">{}</time>').format(iso, text.moment(instant))


def _prose(prose: str) -> Markup:
    """Rollcall's sentences and the rules' reasons, with `backticks` as code."""
    return Markup(text.with_code(prose, lambda part: str(escape(part)), "<code>{}</code>"))


def _key(key: object) -> Markup:
    """A key or name from the database as code, isolated from the text direction around it."""
    return Markup("<bdi><code>{}</code></bdi>").format(text.printable(str(key), LONGEST_KEY))


def _value(value: str) -> Markup:
    """A value from the database, isolated in the same way."""
    return Markup("<bdi>{}</bdi>").format(text.printable(value, LONGEST_KEY))


def _facts(latest: Assessment | None) -> Sequence[tuple[str, int]]:
    if latest is None:
        return ()
    return [(label, latest.facts[name]) for name, label in _FACTS.items() if name in latest.facts]


def _presence_chart(latest: Assessment | None) -> charts.Chart | None:
    if latest is None or latest.presence is None:
        return None
    return charts.timeline(latest.presence, latest.judged_at, latest.cutoff)


def _icon(tone: str) -> str:
    """The browser tab's icon: a dot in the verdict's colour, inside the page."""
    image = (
        '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 16 16">'
        f'<circle cx="8" cy="8" r="7" fill="{_ICON_COLOURS[tone]}"/></svg>'
    )
    return "data:image/svg+xml;base64," + base64.b64encode(image.encode()).decode()
