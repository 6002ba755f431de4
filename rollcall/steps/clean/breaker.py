"""The breaker: no unattended run closes all sessions because a feed failed.

When the feed fails, all agents seem to leave at once. The breaker stops an unattended run that would close
most working sessions, if most of them were last seen within minutes of each other while calls continue, or
if the feed contradicts itself. At the end of a shift the calls end too, which does not trip the breaker.
"""

from __future__ import annotations

from datetime import UTC, datetime

from rollcall.errors import BreakerTripped
from rollcall.steps.plan.pending_work import Plan
from rollcall.workspace import Workspace

__all__ = ["check_breaker"]

WHAT_TO_CHECK = (
    "Check that the clients' heartbeats and activity reach the database, and whether the agents are there. "
    "Once the feed works, the next unattended run goes on. Only if the agents are gone indeed, "
    "read `rollcall plan` and execute it with `rollcall clean`"
)


def check_breaker(workspace: Workspace, plan: Plan) -> None:
    """Check that an unattended run may execute the plan; the ledger must exist.

    Raises:
        BreakerTripped: the evidence points at the feed and not at the agents; has the reason.
    """
    with workspace.database.snapshot(plan.judged_at) as snapshot:
        row = snapshot.row(workspace.project.sql("breaker_evidence"))
    if row["feed_is_silent"]:
        _refuse(
            "the activity feed is silent: no open session shows life of its own, while "
            f"{row['contradicting_calls']} calls were connected"
        )
    if row["in_future"]:
        _refuse(f"{row['in_future']} open sessions show life in the future: a clock or a time zone is wrong")
    if row["points_at_the_feed"]:
        already = f", or were closed already ({row['closed_already']})" if row["closed_already"] else ""
        _refuse(
            f"{row['silent']} of {row['open_then']} working sessions would be closed{already}, "
            f"{row['sessions_in_cluster']} of them last seen between {_time(row['cluster_from'])} and "
            f"{_time(row['cluster_to'])} UTC, while calls go on ({row['calls_after']} connected since, "
            f"{row['calls_before']} in as long before): that points at the feed, not at the agents"
        )


def _refuse(why: str) -> None:
    raise BreakerTripped(
        f"the breaker tripped, and this unattended run changes nothing: {why}", WHAT_TO_CHECK
    )


def _time(moment: datetime) -> str:
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S}"
