"""The report's charts, as static SVG that is put into the page: Vega-Lite, drawn by vl-convert.

Nothing is loaded: fonts are the page's own, and colours are its CSS variables, so that a chart is
right in light, dark and print. Each comes with a sentence that says the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from rollcall.report.text import in_words, moment, number, printable
from rollcall.rules.results import Assessment, OpenSession, PastResult, Presence

__all__ = ["STATES", "Chart", "charts_of_rules", "timeline"]

COUNT_WIDTH = 34  # of a chart's labels, so that all charts stand in line
SHOWN_HOURS = 12
SESSIONS_SHOWN = 60  # of all states together; the var report_sessions bounds what is read of each
ROW_HEIGHT = 15
LONGEST_LABEL = 10

# What may be said of an open session: in words, and in which of the page's colours.
STATES = {
    "talking": ("on a live call", "var(--good)"),
    "present": ("seen just now", "var(--link)"),
    "quiet": ("quiet for a while", "var(--none)"),
    "abandoned": ("abandoned", "var(--bad)"),
}
_POSITION = "{:04d} "  # keeps rows of the same agent apart, and in order; cut off where it is shown
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
    """A drawing and the sentence that says the same. The drawing is markup of ours, with no script.

    `is_level` is a chart of one and the same count throughout.
    """

    name: str
    svg: str
    says: str
    is_level: bool = False


# --- a rule over the last runs ----------------------------------------------------------------


def charts_of_rules(latest: Assessment) -> list[Chart]:
    """A chart for each rule that was violated at any time shown, those that decide first.

    None before the second judgement.
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
    says = (
        f"{number(len(points))} judgements from {moment(points[0].recorded_at)}:"
        f" {number(counts[0])} at first, at most {number(max(counts))}, now {number(counts[-1])}."
    )
    return Chart(points[0].rule, _drawn(spec), says, is_level=len(set(counts)) == 1)


def _first_and_last(points: Sequence[PastResult]) -> dict[str, Any]:
    """From when to when: days where it is about days, else times; always UTC, as everything in the report."""
    first, last = points[0].recorded_at, points[-1].recorded_at
    if last - first > timedelta(days=2):
        format_ = "%-d %b"
    else:
        format_ = "%-d %b %H:%M" if last - first > timedelta(hours=1) else "%H:%M:%S"
    ends = [moment.timestamp() * 1_000 for moment in (first, last)]
    return {"values": ends, "format": format_, "grid": False, "labelFlush": True}


# --- who is really there ----------------------------------------------------------------------


def timeline(presence: Presence, judged_at: datetime, cutoff: datetime) -> Chart | None:
    """A bar for each of the open sessions, from login to the last sign of life."""
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
    return Chart("timeline", _drawn(spec), _presence_sentence(presence, judged_at, cutoff))


def _begin(shown: Sequence[OpenSession], judged_at: datetime, cutoff: datetime) -> datetime:
    """Where the timeline begins: at the first login of those seen since then, SHOWN_HOURS ago at most."""
    earliest = min(judged_at - timedelta(hours=SHOWN_HOURS), cutoff - timedelta(hours=1))
    logins = [session.login_at for session in shown if session.last_seen_at >= earliest]
    first = min([cutoff - timedelta(hours=1), *logins]) - timedelta(minutes=15)
    return max(earliest, first)


def shown_sessions(presence: Presence, most: int = SESSIONS_SHOWN) -> list[OpenSession]:
    """Some of each state, those seen last first, in the order of the states."""
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
    return f"Of {total} open sessions: {parts}. Abandoned is who showed no sign of life for {window}."


# --- drawing ----------------------------------------------------------------------------------


def _drawn(spec: dict[str, Any]) -> str:
    import vl_convert

    whole = {"$schema": "https://vega.github.io/schema/vega-lite/v5.json", "config": _CONFIG, **spec}
    svg: str = vl_convert.vegalite_to_svg(whole)
    # an inline drawing needs no namespaces, and the page says in words what it shows
    svg = re.sub(r'\sxmlns(:xlink)?="[^"]*"', "", svg)
    return svg.replace("<svg", '<svg aria-hidden="true" focusable="false"', 1)


def _iso(instant: datetime) -> str:
    return instant.astimezone(UTC).isoformat()
