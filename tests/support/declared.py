"""Names of what is declared, for tests of migrating."""

from __future__ import annotations

from rollcall.steps.assess.assessment import assess
from tests.support.live_migration import Live

DECLARED = ("device_connected", "last_heartbeat", "max_concurrent_calls")


COLUMNS = [f"public.agent_sessions.{name}" for name in DECLARED]


INDEXES = [
    f"public.rollcall_{name}"
    for name in ("calls_of_agent", "open_sessions", "unfinished_calls", "closed_sessions", "closed_logins")
]


TABLES = ("agents", "agent_sessions", "call_sessions")


OPEN = "on agent_sessions (agent_id, login_at, id) where logout_at is null"


OPEN_INDEX = f"create index {{}} rollcall_open_sessions {OPEN}"


MOVED_AT = "greatest(started_at, connected_at, ended_at)"


def rules(live: Live) -> dict[str, tuple[int, tuple[str, ...]]]:
    """The violated rules of the schema: the count and the keys."""
    assessment = assess(live.workspace)
    return {
        r.name: (r.violations, r.sample_keys)
        for r in assessment.rules
        if r.suite == "schema" and not r.passed
    }
