"""Output of the alerts: their state, and the result of a delivery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from rich.markup import escape

from rollcall.console.terminal import symbol, table_of, write
from rollcall.report.text import printable

__all__ = ["show_alerts", "show_deliveries", "show_news"]


def show_alerts(alerts: Sequence[Mapping[str, Any]]) -> None:
    """Show the state of each alert. alerts: as in the JSON of `rollcall alerts`."""
    if not alerts:
        write("No alert was ever sent.")
        return
    table = table_of("alert", "state", "since", "sent", "not delivered to")
    for alert in alerts:
        state = (
            alert["severity"] if alert["is_active"] else "resolved" if alert["resolved_at"] else "not sent"
        )
        cells = (alert["key"], state, alert["since"], alert["sent_at"] or "", ", ".join(alert["undelivered"]))
        table.add_row(*(escape(printable(str(cell))) for cell in cells))
    write(table)
    for alert in alerts:
        if alert["is_active"]:
            write(f"{escape(alert['key'])}: {escape(printable(alert['text']))}", soft_wrap=True)


def show_deliveries(deliveries: Sequence[Mapping[str, Any]]) -> None:
    """Show for each channel whether it got the message."""
    for delivery in deliveries:
        name = escape(delivery["channel"])
        if delivery["is_delivered"]:
            write(f"[green]{symbol('✓', 'ok')}[/] {name}: delivered")
        else:
            reason = escape(delivery["reason"])
            write(f"[red]{symbol('✗', '!!')}[/] {name}: not delivered: {reason}", soft_wrap=True)


def show_news(texts: Sequence[str]) -> None:
    """Show what is new."""
    if not texts:
        write("Nothing is new.")
    for text in texts:
        write(escape(printable(text)), soft_wrap=True)
