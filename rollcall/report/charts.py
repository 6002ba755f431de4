"""The report's charts: what they show, as Vega-Lite, and how their drawing stands on the page.

A chart loads nothing. Its fonts and colours are those of the page, as CSS variables, so that it suits light
and dark mode and print. Each chart has a sentence with the same content.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rollcall.report.drawing import draw
from rollcall.report.text import in_words, moment, number, printable
from rollcall.rules.results import Assessment, OpenSession, PastResult, Presence, PresenceLook

__all__ = [
    "LINES",
    "STATES",
    "Chart",
    "charts_of_rules",
    "drawings_of",
    "presence_over_day",
    "shown_sessions",
    "timeline",
]

COUNT_WIDTH = 34  # width of the labels, so that all charts align
SHOWN_HOURS = 12
SESSIONS_SHOWN = 60  # for all states together; the var report_sessions limits the rows per state
ROW_HEIGHT = 15
LONGEST_LABEL = 10

# State of an open session: its label and its colour on the page.
STATES = {
    "talking": ("on a live call", "var(--good)"),
    "present": ("seen just now", "var(--link)"),
    "quiet": ("quiet for a while", "var(--none)"),
    "abandoned": ("abandoned", "var(--bad)"),
}
# Line over the day: its label and its colour on the page.
LINES = {
    "shown": ("shown available", "var(--bad)"),
    "not_gone": ("of them, not gone", "var(--good)"),
    "routable": ("of them, routable", "var(--link)"),
}
_POSITION = "{:04d} "  # separates and orders the rows of one agent; the label omits it
_CONFIG: dict[str, Any] = {
    "aria": False,
    "background": None,
    "font": "system-ui, sans-serif",
    "view": {"stroke": None},
    "axis": {
        "labelColor": "var(--soft)",
        "domainColor": "var(--line)",
        "tickColor": "var(--line)",
        "gridColor": "var(--line)",
        "labelFontSize": 11,
        "title": None,
    },
}


@dataclass(frozen=True)
class Chart:
    """A chart as Vega-Lite and a sentence with the same content.

    `is_level`: every count of the chart is the same.
    """

    name: str
    spec: dict[str, Any]
    sentence: str
    is_level: bool = False


# --- a rule over the last runs ----------------------------------------------------------------


def charts_of_rules(latest: Assessment) -> list[Chart]:
    """Make a chart for each violated rule of the shown runs, rules that decide first.

    Empty before the second judgement.
    """
    past: dict[str, list[PastResult]] = {}
    for result in latest.past:
        past.setdefault(result.rule, []).append(result)
    charts = []
    for rule in sorted(latest.rules, key=lambda rule: rule.severity.rank):
        points = past.get(rule.name, [])
        if points and (rule.violations or any(point.violations for point in points)):
            now = PastResult(rule.name, latest.snapshot_at, rule.violations, rule.waived)
            charts.append(_chart_of_rule([*points, now]))
    return charts


def _chart_of_rule(points: Sequence[PastResult]) -> Chart:
    values = [{"at": _iso(point.recorded_at), "count": point.violations} for point in points]
    line = {"line": {"color": "var(--link)", "strokeWidth": 1.5}, "color": "var(--link)", "opacity": 0.15}
    counts = [point.violations for point in points]
    most = max(1, *counts)
    encoding = {
        "x": {"field": "at", "type": "temporal", "scale": {"type": "utc"}, "axis": _first_and_last(points)},
        "y": {
            "field": "count",
            "type": "quantitative",
            "scale": {"domainMin": 0, "domainMax": most},
            "axis": {
                "values": [0, most],
                "format": ",.0f",
                "grid": False,
                "domain": False,
                "ticks": False,
                "minExtent": COUNT_WIDTH,
            },
        },
    }
    layers: list[dict[str, Any]] = [
        {"mark": {"type": "area", "interpolate": "step-after", **line}},
        {
            "mark": {"type": "point", "filled": True, "size": 28, "color": "var(--link)", "opacity": 1},
            "data": {"values": values[-1:]},
        },
    ]
    spec = {"width": 300, "height": 56, "data": {"values": values}, "encoding": encoding, "layer": layers}
    sentence = (
        f"{number(len(points))} judgements from {moment(points[0].recorded_at)}:"
        f" {number(counts[0])} at first, at most {number(max(counts))}, now {number(counts[-1])}."
    )
    return Chart(points[0].rule, spec, sentence, is_level=len(set(counts)) == 1)


def _first_and_last(points: Sequence[PastResult]) -> dict[str, Any]:
    """The first and last instant in UTC: as days for long ranges, otherwise as times."""
    first, last = points[0].recorded_at, points[-1].recorded_at
    if last - first > timedelta(days=2):
        format_ = "%-d %b"
    else:
        format_ = "%-d %b %H:%M" if last - first > timedelta(hours=1) else "%H:%M:%S"
    ends = [moment.timestamp() * 1_000 for moment in (first, last)]
    return {"values": ends, "format": format_, "grid": False, "labelFlush": True}


# --- open sessions ----------------------------------------------------------------------------


def timeline(presence: Presence, judged_at: datetime, cutoff: datetime) -> Chart | None:
    """A bar per open session, from login to the last sign of life."""
    shown = shown_sessions(presence)
    if not shown:
        return None
    begin = _begin(shown, judged_at, cutoff)
    rows = [_bar(position, session, begin) for position, session in enumerate(shown)]
    states = [state for state in STATES if presence.counts.get(state)]
    colour = {
        "field": "state",
        "type": "nominal",
        "scale": {"domain": states, "range": [STATES[state][1] for state in states]},
        "legend": None,
    }
    time = {"type": "temporal", "scale": {"type": "utc", "domain": [_iso(begin), _iso(judged_at)]}}
    y = {
        "field": "row",
        "type": "nominal",
        "axis": {
            "labelExpr": f"slice(datum.label, {len(_POSITION.format(0))})",
            "domain": False,
            "ticks": False,
            "labelLimit": 110,
            "title": "Agent",
            "titleAngle": 0,
            "titleAlign": "right",
            "titleX": -4,
            "titleY": -8,
            "titleColor": "var(--soft)",
            "titleFontSize": 11,
            "titleFontWeight": "normal",
        },
    }
    axis = {"format": "%H:%M", "tickCount": 8, "grid": True, "orient": "top", "domain": False}
    x = {**time, "field": "from", "axis": axis}
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "bar", "height": 8, "cornerRadius": 2},
            "transform": [{"filter": "!datum.earlier"}],
            "encoding": {"x": x, "x2": {"field": "to"}, "y": y, "color": colour},
        },
        {
            "mark": {"type": "point", "filled": True, "size": 64, "opacity": 1},
            "transform": [{"filter": "!datum.earlier"}],
            "encoding": {"x": {**x, "field": "to"}, "y": y, "color": colour},
        },
        {
            "mark": {"type": "point", "shape": "triangle-left", "filled": True, "size": 45, "opacity": 1},
            "transform": [{"filter": "datum.earlier"}],
            "encoding": {"x": x, "y": y, "color": colour},
        },
        {
            "data": {"values": [{"at": _iso(cutoff)}]},
            "mark": {"type": "rule", "color": "var(--bad)", "strokeDash": [4, 3]},
            "encoding": {"x": {**time, "field": "at"}},
        },
    ]
    spec = {
        "width": 640,
        "height": ROW_HEIGHT * len(rows),
        "data": {"values": rows},
        "layer": layers,
    }
    return Chart("timeline", spec, _presence_sentence(presence, judged_at, cutoff))


def _begin(shown: Sequence[OpenSession], judged_at: datetime, cutoff: datetime) -> datetime:
    """The start of the timeline: the first login shown, at most SHOWN_HOURS ago."""
    earliest = min(judged_at - timedelta(hours=SHOWN_HOURS), cutoff - timedelta(hours=1))
    logins = [session.login_at for session in shown if session.last_seen_at >= earliest]
    first = min([cutoff - timedelta(hours=1), *logins]) - timedelta(minutes=15)
    return max(earliest, first)


def shown_sessions(presence: Presence, most: int = SESSIONS_SHOWN) -> list[OpenSession]:
    """Choose some sessions of each state, last seen first, in the order of the states."""
    by_state = {state: [s for s in presence.sessions if s.state == state] for state in STATES}
    chosen: dict[str, int] = dict.fromkeys(STATES, 0)
    while sum(chosen.values()) < most:
        open_states = [state for state in STATES if chosen[state] < len(by_state[state])]
        if not open_states:
            break
        for state in open_states[: most - sum(chosen.values())]:
            chosen[state] += 1
    return [session for state in STATES for session in by_state[state][: chosen[state]]]


def _bar(position: int, session: OpenSession, begin: datetime) -> dict[str, Any]:
    earlier = session.last_seen_at < begin
    label = printable(session.agent_id, LONGEST_LABEL)
    return {
        "row": _POSITION.format(position) + label,
        "state": session.state,
        "earlier": earlier,
        "from": _iso(begin if earlier else max(session.login_at, begin)),
        "to": _iso(max(session.last_seen_at, begin)),
    }


def _presence_sentence(presence: Presence, judged_at: datetime, cutoff: datetime) -> str:
    counted = [
        (presence.counts[state], words) for state, (words, _) in STATES.items() if state in presence.counts
    ]
    parts = ", ".join(f"{number(count)} {words}" for count, words in counted)
    window = in_words((judged_at - cutoff).total_seconds())
    total = number(sum(presence.counts.values()))
    return f"Of {total} open sessions: {parts}. A session without a sign of life for {window} is abandoned."


# --- agents shown available -------------------------------------------------------------------


def presence_over_day(looks: Sequence[PresenceLook]) -> Chart | None:
    """Agents shown available, not gone and routable, by look; None below two looks. A gap stays empty."""
    if len(looks) < 2:
        return None
    segment, values = 0, []
    for look in looks:
        segment += look.follows_gap
        values.append(
            {
                "at": _iso(look.look_at),
                "segment": segment,
                "shown": look.shown_available,
                "not_gone": look.not_gone,
                "routable": look.routable,
            }
        )
    x = {
        "field": "at",
        "type": "temporal",
        "scale": {"type": "utc"},
        "axis": {"format": "%H:%M", "tickCount": 8, "grid": False},
    }
    y: dict[str, Any] = {"type": "quantitative", "axis": {"format": ",.0f", "tickMinStep": 1, "tickCount": 4}}
    parts = {"detail": {"field": "segment", "type": "nominal"}, "x": x}
    step = {"interpolate": "step-after"}
    layers = [
        {
            "mark": {"type": "area", **step, "color": colour, "opacity": 0.35},
            "encoding": {**parts, "y": {**y, "field": upper}, "y2": {"field": lower}},
        }
        for upper, lower, colour in (
            ("shown", "not_gone", "var(--bad)"),
            ("not_gone", "routable", "var(--none)"),
        )
    ]
    layers += [
        {
            "mark": {"type": "line", **step, "color": colour, "strokeWidth": 1.5},
            "encoding": {**parts, "y": {**y, "field": name}},
        }
        for name, (_, colour) in LINES.items()
    ]
    spec = {"width": 640, "height": 140, "data": {"values": values}, "layer": layers}
    return Chart("presence", spec, _sentence_on_looks(looks))


def _sentence_on_looks(looks: Sequence[PresenceLook]) -> str:
    worst = max(looks, key=lambda look: look.shown_available - look.not_gone)
    ghosts = worst.shown_available - worst.not_gone
    gaps = sum(look.follows_gap for look in looks[1:])
    period = f"{number(len(looks))} looks from {moment(looks[0].look_at)}"
    times = {0: "", 1: ", with a gap in which nothing is known"}
    unknown = times.get(gaps, f", with {number(gaps)} gaps in which nothing is known")
    if not ghosts:
        return f"{period}{unknown}: no agent that was shown available had left."
    return (
        f"{period}{unknown}: at most {number(ghosts)} of {number(worst.shown_available)} agents that were"
        f" shown available had left, at {moment(worst.look_at)}."
    )


# --- drawing ----------------------------------------------------------------------------------


def drawings_of(shown: Sequence[Chart | None]) -> dict[str, str]:
    """Draw charts as inline SVG without scripts: the markup per name, empty if they cannot be drawn."""
    specs = {chart.name: {"config": _CONFIG, **chart.spec} for chart in shown if chart}
    return {name: _inline(svg) for name, svg in draw(specs).items()}


def _inline(svg: str) -> str:
    # an inline drawing needs no namespaces; a sentence on the page replaces its title
    svg = re.sub(r'\sxmlns(:xlink)?="[^"]*"', "", svg)
    return svg.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1)


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat()
