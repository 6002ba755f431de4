"""The rules that the mapping of an application leaves without a meaning.

Without a call reference there is no broken reference, and without a logout no session that is closed and
still works. Such a rule is shown as not judged, with the reason, and never as passed: docs/decisions/0018.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any

from rollcall.rules.results import RuleResult
from rollcall.settings.mapping import column_of

__all__ = ["mark_not_judged", "reasons_not_judged"]

OF_REFERENCES = ("orphaned_call_reference", "live_call_not_on_call", "shared_call", "call_of_another_agent")
OF_CALLS = (
    "unknown_call_status",
    "zombie_call",
    "ended_call_still_live",
    "silent_feed",
    "reversed_call_times",
    "extreme_call_times",
    "calls_key_not_unique",
)
OF_LOGOUTS = (
    "open_but_offline",
    "activity_after_logout",
    "closed_but_working",
    "reversed_session_times",
    "extreme_session_times",
    "cleaned_session_duration_not_negative",
    "cleaned_session_logout_after_login",
    "cleaned_session_closed_after_logout",
)
WITHOUT: Mapping[str, tuple[str, tuple[str, ...]]] = {
    # a var that is null: the reason, and the rules that are then without a meaning
    "calls_table": ("no calls are known", (*OF_CALLS, *OF_REFERENCES)),
    "sessions_call_id_column": ("sessions refer to no call", OF_REFERENCES),
    "sessions_logout_at_column": ("a session is open while its status is a working one", OF_LOGOUTS),
    "sessions_login_at_column": (
        "sessions have no login",
        (
            "reversed_session_times",
            "cleaned_session_login_at_not_null",
            "cleaned_session_duration_not_negative",
            "cleaned_session_logout_after_login",
        ),
    ),
    "agents_is_active_column": ("every agent is active", ("session_of_inactive_agent",)),
    "calls_ended_at_column": ("calls have no end", ("ended_call_still_live", "reversed_call_times")),
    "calls_started_at_column": ("calls have no start", ("reversed_call_times",)),
}


def mark_not_judged(rules: Iterable[RuleResult], variables: Mapping[str, Any]) -> tuple[RuleResult, ...]:
    """Mark the results of rules without a meaning; what they counted says nothing."""
    reasons = reasons_not_judged(variables)
    return tuple(
        replace(
            rule,
            not_judged=reasons[rule.name],
            violations=0,
            passed=True,
            waived=0,
            sample_keys=(),
            waived_keys=(),
            keys=(),
        )
        if rule.name in reasons
        else rule
        for rule in rules
    )


def reasons_not_judged(variables: Mapping[str, Any]) -> dict[str, str]:
    """The reason for each rule that cannot be judged, by its name."""
    found: dict[str, str] = {}
    for reason, names in (*_nulls(variables), *_unwritten(variables)):
        for name in names:
            found.setdefault(name, reason)
    return found


def _nulls(variables: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    for name, (reason, rules) in WITHOUT.items():
        if variables[name] is None:
            yield reason, rules


def _unwritten(variables: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """What an expression alone reads cannot be repaired; a critical rule fires where the plan has a row."""
    status = column_of(variables["sessions_status_column"]) is not None
    mended = variables["sessions_on_available"] and variables["sessions_on_break"]
    if not status and not mended:
        yield "the status is read by an expression, and not written", ("invalid_on_call",)
    if not status and not mended and not variables["sessions_on_close"]:
        yield "the status is read by an expression, and not written", ("closed_but_working",)
    if column_of(variables["sessions_call_id_column"]) is None:
        yield "the call reference is read by an expression, and not written", ("orphaned_call_reference",)
