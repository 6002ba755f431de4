"""Alerts as events, for automations of Prefect that alert."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from rollcall.service.alerts.values import Change, News
from rollcall.settings.alerts import Kind

__all__ = ["Event", "event_of"]

NAMES = {
    Kind.VERDICT: "rollcall.verdict.changed",
    Kind.BREAKER: "rollcall.breaker.tripped",
    Kind.PROOF: "rollcall.proof.failed",
    Kind.RUN: "rollcall.run.failed",
    Kind.MISSED: "rollcall.run.missed",
    Kind.PLAN: "rollcall.plan.waiting",
    Kind.REGRET: "rollcall.regret.found",
}


@dataclass(frozen=True)
class Event:
    """An event about the database. payload: no row of the application and no secret."""

    name: str
    payload: dict[str, Any]


def event_of(news: News) -> Event:
    """The event of a news item; the end of a condition is an event ``rollcall.KIND.resolved``."""
    if news.kind is Kind.VERDICT:
        return Event(NAMES[news.kind], {"from": news.before, "to": news.value, "run": news.run_id})
    name = f"rollcall.{news.kind.value}.resolved" if news.change is Change.RESOLVED else NAMES[news.kind]
    return Event(name, {"run": news.run_id, "reason": f"{news.text} {news.next_step}".strip()})
