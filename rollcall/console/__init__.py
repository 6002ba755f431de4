"""Terminal output: one function for each result of a step."""

from rollcall.console.alerts import show_alerts, show_deliveries, show_news
from rollcall.console.assessment import show_assessment, show_tripped_breaker, show_verification
from rollcall.console.changes import (
    show_build,
    show_clean_role,
    show_cleaning,
    show_detachment,
    show_export,
    show_look,
    show_migration,
    show_plan,
    show_statement,
    show_undo,
)
from rollcall.console.simulation import show_progress_of_simulation, show_simulation
from rollcall.console.state import (
    show_configuration,
    show_demo,
    show_diagnosis,
    show_flags,
    show_grants,
    show_history,
    show_proposal,
    show_report,
)
from rollcall.console.terminal import (
    announce,
    confirm,
    progress,
    show_error,
    step,
    use_stderr,
    use_stdout,
    write,
)

__all__ = [
    "announce",
    "confirm",
    "progress",
    "show_alerts",
    "show_assessment",
    "show_build",
    "show_clean_role",
    "show_cleaning",
    "show_configuration",
    "show_deliveries",
    "show_demo",
    "show_detachment",
    "show_diagnosis",
    "show_error",
    "show_export",
    "show_flags",
    "show_grants",
    "show_history",
    "show_look",
    "show_migration",
    "show_news",
    "show_plan",
    "show_progress_of_simulation",
    "show_proposal",
    "show_report",
    "show_simulation",
    "show_statement",
    "show_tripped_breaker",
    "show_undo",
    "show_verification",
    "step",
    "use_stderr",
    "use_stdout",
    "write",
]
