"""The report's charts of days and hours: ghosts before and after the first clean-up, service level."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from rollcall.report.charts import Chart
from rollcall.report.text import number
from rollcall.rules.results import GhostDay, HourOfDay

__all__ = ["PHASES", "ghost_hours_by_day", "service_level_by_hour"]

# Phase of the days: its label and its colour on the page.
PHASES = {
    "before": ("before the first clean-up", "var(--bad)"),
    "after": ("since the first clean-up", "var(--good)"),
}
WIDTH = 640
HEIGHT = 120


def ghost_hours_by_day(days: Sequence[GhostDay]) -> Chart | None:
    """A bar per observed day; None below two days. A day that was not observed stays empty."""
    if len(days) < 2:
        return None
    values = [
        {
            "day": day.business_day.isoformat(),
            "hours": day.ghost_hours,
            "phase": _phase(day),
        }
        for day in days
    ]
    first, last = days[0].business_day, days[-1].business_day
    every_day = [(first + timedelta(days=past)).isoformat() for past in range((last - first).days + 1)]
    label = "utcFormat(utcParse(datum.value, '%Y-%m-%d'), '%-d %b')"
    axis = {"labelExpr": label, "labelAngle": 0, "labelOverlap": "greedy", "labelSeparation": 30}
    encoding = {
        "x": {"field": "day", "type": "ordinal", "scale": {"domain": every_day}, "axis": axis},
        "y": {"field": "hours", "type": "quantitative", "axis": {"format": ",.1~f", "tickCount": 4}},
        "color": {
            "field": "phase",
            "type": "nominal",
            "scale": {"domain": list(PHASES), "range": [colour for _, colour in PHASES.values()]},
            "legend": None,
        },
    }
    spec = _spec(values, {"type": "bar"}, encoding)
    return Chart("ghost_hours", spec, _sentence_on_ghosts(days))


def _phase(day: GhostDay) -> str:
    return "after" if day.is_after_first_clean_up else "before"


def _sentence_on_ghosts(days: Sequence[GhostDay]) -> str:
    parts = []
    for phase, (words, _) in PHASES.items():
        found = [day for day in days if _phase(day) == phase]
        if found:
            share = sum(day.ghost_hours for day in found) / sum(day.observed_hours for day in found)
            parts.append(f"{24 * share:.1f} hours per 24 observed hours {words} ({number(len(found))} days)")
    first, last = days[0].business_day, days[-1].business_day
    return (
        f"{number(len(days))} observed days from {first} to {last}: agents were shown at work and were gone"
        f" for {', and '.join(parts)}."
    )


def service_level_by_hour(hours: Sequence[HourOfDay]) -> Chart | None:
    """A bar per hour of the day with its service level; None without an offered call."""
    if not hours:
        return None
    values = [{"hour": hour.hour_of_day, "level": hour.service_level} for hour in hours]
    y = {"type": "quantitative", "scale": {"domain": [0, 1]}, "axis": {"format": ".0%", "tickCount": 4}}
    encoding = {
        "x": {
            "field": "hour",
            "type": "ordinal",
            "scale": {"domain": list(range(24))},
            "axis": {"labelAngle": 0, "labelExpr": "pad(datum.value, 2, '0', 'left')"},
        },
        "y": {**y, "field": "level"},
    }
    spec = _spec(values, {"type": "bar", "color": "var(--link)"}, encoding)
    return Chart("service_level", spec, _sentence_on_levels(hours))


def _sentence_on_levels(hours: Sequence[HourOfDay]) -> str:
    counted = sum(hour.calls_of_service_level for hour in hours)
    unknown = sum(hour.calls_offered for hour in hours) - counted
    in_time = sum(hour.calls_answered_in_time for hour in hours)
    worst = min(hours, key=lambda hour: hour.service_level)
    left_out = (
        f" Not counted are {number(unknown)} answered calls of unknown waiting time." if unknown else ""
    )
    return (
        f"Of {number(counted)} offered calls {in_time / counted:.0%} were answered within"
        f" {worst.within_seconds:g} seconds; least of all from {worst.hour_of_day:02d}:00"
        f" ({worst.service_level:.0%} of {number(worst.calls_of_service_level)}).{left_out}"
    )


def _spec(values: list[dict[str, Any]], mark: dict[str, Any], encoding: dict[str, Any]) -> dict[str, Any]:
    return {"width": WIDTH, "height": HEIGHT, "data": {"values": values}, "mark": mark, "encoding": encoding}
