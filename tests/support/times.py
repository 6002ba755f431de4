"""Times of the application as Python reads them, and seconds as the views round them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

INFINITE = ("infinity", "-infinity")


def instant(text: str | None) -> datetime | None:
    """A time of the application, which writes UTC without a zone; None for an infinite one."""
    return None if text is None or text in INFINITE else datetime.fromisoformat(text).replace(tzinfo=UTC)


def whole_seconds(earlier: datetime | None, later: datetime | None) -> int | None:
    """The rounded seconds between two instants; None where either is unknown, and where they are reversed."""
    if earlier is None or later is None or later < earlier:
        return None
    microseconds = (later - earlier) // timedelta(microseconds=1)
    return (microseconds + 500_000) // 1_000_000
