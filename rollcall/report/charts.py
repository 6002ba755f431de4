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
from rollcall.results import Assessment, Floor, OpenSession, PastResult

__all__ = ["STATES", "Chart", "charts_of_rules", "timeline"]

SHOWN_HOURS = 12
SESSIONS_SHOWN = 60
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
    """A drawing and the sentence that says the same. The drawing is markup of ours, with no script."""

    name: str
    svg: str
    says: str


# --- a rule over the last runs ----------------------------------------------------------------


def charts_of_rules(latest: Assessment) -> list[Chart]:
    """A chart for each rule that was violated at any time shown; none before the second judgement."""
    past: dict[str, list[PastResult]] = {}
    for result in latest.past:
        past.setdefault(result.rule, []).append(result)
    charts = []
    for rule in latest.rules:
        points = past.get(rule.name, [])
        if points and (rule.violations or any(point.violations for point in points)):
            now = PastResult(rule.name, latest.snapshot_at, rule.violations, rule.waived)
            charts.append(_chart_of_rule([*points, now]))
    return charts


def _chart_of_rule(points: Sequence[PastResult]) -> Chart:
    values = [{"at": _iso(point.recorded_at), "count": point.violations} for point in points]
    line = {"line": {"color": "var(--link)", "strokeWidth": 1.5}, "color": "var(--link)", "opacity": 0.15}
    encoding = {
        "x": {"field": "at", "type": "temporal", "scale": {"type": "utc"}, "axis": _time_axis(4, points)},
        "y": {
            "field": "count",
            "type": "quantitative",
            "scale": {"domainMin": 0, "domainMax": max(1, *(point.violations for point in points))},
            "axis": {"tickCount": 2, "format": ",.0f", "tickMinStep": 1, "grid": False, "domain": False},
        },
    }
    layers: list[dict[str, Any]] = [
        {"mark": {"type": "area", "interpolate": "step-after", **line}},
        {
            "mark": {"type": "point", "filled": True, "size": 28, "color": "var(--link)", "opacity": 1},
            "data": {"values": values[-1:]},
        },
    ]
    spec = {"width": 310, "height": 56, "data": {"values": values}, "encoding": encoding, "layer": layers}
    counts = [point.violations for point in points]
    says = (
        f"{number(len(points))} judgements from {moment(points[0].recorded_at)}:"
        f" {number(counts[0])} at first, at most {number(max(counts))}, now {number(counts[-1])}."
    )
    return Chart(points[0].rule, _drawn(spec), says)


def _time_axis(ticks: int, points: Sequence[PastResult]) -> dict[str, Any]:
    """Days where it is about days, else hours; always UTC, as everything in the report."""
    long = points[-1].recorded_at - points[0].recorded_at > timedelta(days=2)
    return {"tickCount": ticks, "format": "%-d %b" if long else "%H:%M", "grid": False, "labelOverlap": True}


# --- who is really there ----------------------------------------------------------------------


def timeline(floor: Floor, judged_at: datetime, cutoff: datetime) -> Chart | None:
    """A bar for each of the open sessions, from login to the last sign of life."""
    shown = shown_sessions(floor)
    if not shown:
        return None
    begin = min(judged_at - timedelta(hours=SHOWN_HOURS), cutoff - timedelta(hours=1))
    rows = [_bar(position, session, begin) for position, session in enumerate(shown)]
    states = [state for state in STATES if floor.counts.get(state)]
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
        },
    }
    x = {**time, "field": "from", "axis": {"format": "%H:%M", "tickCount": 8, "grid": True}}
    layers: list[dict[str, Any]] = [
        {
            "mark": {"type": "bar", "height": 8, "cornerRadius": 2},
            "transform": [{"filter": "!datum.earlier"}],
            "encoding": {"x": x, "x2": {"field": "to"}, "y": y, "color": colour},
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
    return Chart("timeline", _drawn(spec), _who_is_there(floor, judged_at, cutoff))


def shown_sessions(floor: Floor, most: int = SESSIONS_SHOWN) -> list[OpenSession]:
    """Some of each state, those seen last first, in the order of the states."""
    by_state = {state: [s for s in floor.sessions if s.state == state] for state in STATES}
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


def _who_is_there(floor: Floor, judged_at: datetime, cutoff: datetime) -> str:
    counted = [(floor.counts[state], words) for state, (words, _) in STATES.items() if state in floor.counts]
    parts = ", ".join(f"{number(count)} {words}" for count, words in counted)
    window = in_words((judged_at - cutoff).total_seconds())
    total = number(sum(floor.counts.values()))
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
