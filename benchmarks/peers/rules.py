"""The rules as one query each, which every tool is given: `rules/*.sql`."""

from __future__ import annotations

from datetime import UTC, datetime

from benchmarks.peers.environment import HERE

__all__ = ["RULES", "rendered"]

RULES = (
    "abandoned_session",
    "orphaned_call_reference",
    "invalid_on_call",
    "session_of_inactive_agent",
    "duplicate_open_session",
    "open_but_offline",
    "live_call_not_on_call",
    "shared_call",
    "call_of_another_agent",
    "unknown_session_status",
    "zombie_call",
    "ended_call_still_live",
)
NOW = "now() at time zone 'utc'"


def rendered(judged_at: datetime | None = None) -> dict[str, str]:
    """By rule, the query for the keys of what violates it. judged_at: none: the time of the query."""
    now = NOW if judged_at is None else f"timestamp '{judged_at.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}'"
    evidence = _read("evidence")
    return {
        rule: _read(rule).replace("{evidence}\n\n", evidence).replace("{now}", f"({now})") for rule in RULES
    }


def _read(name: str) -> str:
    """A file's SQL without its comment."""
    lines = (HERE / "rules" / f"{name}.sql").read_text("utf-8").splitlines()
    return "\n".join(line for line in lines if not line.startswith("--")).strip() + "\n"
