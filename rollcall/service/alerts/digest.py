"""One message for one channel: what changed, the counts with their owners, the next step, the report."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rollcall.report.text import printable
from rollcall.service.alerts.values import Change, News
from rollcall.settings.alerts import Level

__all__ = ["Message", "digest"]

CHANGES = {
    Change.NEW: "New",
    Change.WORSE: "Worse",
    Change.BETTER: "Better",
    Change.RESOLVED: "Resolved",
    Change.REMINDER: "Still",
}
END_OF_TITLE = re.compile(r"[.:] |[.:]$")


@dataclass(frozen=True)
class Message:
    """A message as plain text. is_good: everything in it is good news."""

    title: str
    body: str
    level: Level
    is_good: bool


def digest(database: str, news: Sequence[News], report: str | None) -> Message:
    """Write one message about all the news.

    Args:
        news: at least one item, the most important first.
        report: where the report of the run can be read; None: there is none.
    """
    first = news[0]
    more = f" (and {len(news) - 1} more)" if len(news) > 1 else ""
    lines = [printable(line) for item in news for line in (*_lines(item), "")]
    return Message(
        title=printable(f"Rollcall, {database}: {END_OF_TITLE.split(first.text, 1)[0]}{more}"),
        body="\n".join([*lines, f"Report: {report}"] if report else lines[:-1]),
        level=max((item.level for item in news), key=lambda level: level.rank),
        is_good=all(item.change.is_good for item in news),
    )


def _lines(item: News) -> list[str]:
    owner = f" Owner: {item.owner}." if item.owner else ""
    lines = [f"{CHANGES[item.change]} ({item.level.value}): {item.text}{owner}"]
    for count in item.counts:
        owned = f", owner {count.owner}" if count.owner else ""
        lines.append(f"  {count.rule}: {count.failing} ({count.severity}{owned})")
    if item.next_step:
        lines.append(f"  Next step: {item.next_step}")
    if item.run_id:
        lines.append(f"  Run: {item.run_id}")
    return lines
