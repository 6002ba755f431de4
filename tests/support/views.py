"""The views that Rollcall makes for readers."""

VIEWS = (
    "agent_days",
    "agent_intervals",
    "agent_sessions",
    "calls",
    "conservation",
    "presence_intervals",
    "quarantined_sessions",
    "queue_intervals",
    "readiness_history",
    "routability",
    "routable_agents",
    "session_changes",
    "time_to_repair",
)
"""All of them, in the order of their names."""

VIEWS_OF_ROWS = tuple(view for view in VIEWS if view != "readiness_history")
"""Those that show rows of the application, or images of them."""
