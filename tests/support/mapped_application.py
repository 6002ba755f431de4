"""Applications that keep a fact in a column, in another form, or not at all; and the vars that say so.

`FORMS` has for each fact the forms that an application may keep it in. A `Mapping` chooses one form of each.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from tests.support.application_model import Reach

Store = Callable[[Any], dict[str, Any]]

SESSION_CODES = {"available": 1, "on_call": 2, "break": 3, "offline": 0, "ended": 9}
CALL_CODES = {
    "initiated": 1,
    "connecting": 2,
    "ringing": 3,
    "connected": 4,
    "queued": 5,
    "completed": 10,
    "failed": 11,
    "no_answer": 12,
    "missed_call": 13,
    "hung_up": 14,
    "busy": 15,
    "canceled": 16,
}
UNKNOWN_CODE = 99  # a raw value without a name
AS_UUID = "case when session.call_text ~ '^[0-9a-f-]{36}$' then session.call_text::uuid end"


@dataclass(frozen=True)
class Form:
    """One form of a fact.

    Attributes:
        value: of the var; None where the application does not keep the fact.
        columns: their types, by name, in the application's table.
        store: the values of the columns for a value of the model.
        written: the column that a repair writes.
        read: the value of the model for the written column's value.
        beside: further vars.
    """

    value: Any
    columns: Mapping[str, str] = field(default_factory=dict)
    store: Store = lambda value: {}
    written: str | None = None
    read: Callable[[Any], Any] = lambda value: value
    beside: Mapping[str, Any] = field(default_factory=dict)


def plain(name: str, kind: str, store: Callable[[Any], Any] = lambda value: value) -> Form:
    return Form(name, {name: kind}, lambda value: {name: store(value)}, name)


def naive(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.astimezone(UTC).replace(tzinfo=None)


def milliseconds(moment: datetime | None) -> int | None:
    return None if moment is None else round(moment.timestamp() * 1_000)


def times(alias: str, name: str) -> dict[str, Form]:
    """The forms of a time: an instant, a wall-clock time, the later column, an epoch, or none."""
    later, epoch = f"{name}_later", f"{name}_ms"
    coalesced = {"sql": f"coalesce({alias}.{name}, {alias}.{later})", "type": "timestamptz"}
    return {
        "instant": plain(name, "timestamptz"),
        "wall clock": plain(name, "timestamp(3)", naive),
        "coalesce": Form(
            coalesced, {name: "timestamptz", later: "timestamptz"}, lambda v: {name: None, later: v}
        ),
        "epoch": Form(
            {"sql": f"to_timestamp({alias}.{epoch} / 1000.0)", "type": "timestamptz"},
            {epoch: "bigint"},
            lambda v: {epoch: milliseconds(v)},
        ),
        "null": Form(None),
    }


def upper(value: str | None) -> str | None:
    return None if value is None else value.upper()


def statuses(alias: str, codes: Mapping[str, int]) -> dict[str, Form]:
    """The forms of a status: a text, a number with a name, another spelling, written or only read."""
    lower = {"sql": f"lower({alias}.state)", "type": "text"}
    names = {code: name for name, code in codes.items()}

    def code(status: str | None) -> dict[str, int | None]:
        return {"state_code": None if status is None else codes.get(status, UNKNOWN_CODE)}

    return {
        "text": plain("status", "text"),
        "codes": Form(
            {"column": "state_code", "values": names},
            {"state_code": "smallint"},
            code,
            "state_code",
            lambda raw: names.get(raw, "lunch") if raw is not None else None,
        ),
        "lower": Form(
            {**lower, "column": "state"}, {"state": "text"}, lambda v: {"state": upper(v)}, "state", str.lower
        ),
        "only read": Form(lower, {"state": "text"}, lambda v: {"state": upper(v)}),
    }


def logouts() -> dict[str, Form]:
    forms = times("session", "logout_at")
    coalesced = forms["coalesce"]
    return {
        "instant": forms["instant"],
        "wall clock": forms["wall clock"],
        "coalesce": Form(
            {**coalesced.value, "column": "logout_at"}, coalesced.columns, coalesced.store, "logout_at"
        ),
        "null": Form(None),
    }


REFERENCES = {
    "uuid": plain("call_id", "uuid"),
    "text": Form(
        "call_text",
        {"call_text": "text not null default ''"},
        lambda v: {"call_text": v or ""},
        "call_text",
        beside={"sessions_no_call": "", "calls_id_column": {"sql": "call.id::text", "type": "text"}},
    ),
    "cast": Form(
        {"sql": AS_UUID, "type": "uuid", "column": "call_text"},
        {"call_text": "text not null default 'none'"},
        lambda v: {"call_text": v or "none"},
        "call_text",
        beside={"sessions_no_call": "none"},
    ),
    "only read": Form(
        {"sql": AS_UUID, "type": "uuid"}, {"call_text": "text"}, lambda v: {"call_text": v or "none"}
    ),
    "null": Form(None),
}

DIRECTIONS = {
    "text": plain("direction", "text"),
    "flag": Form(
        {"sql": "case when call.is_outbound then 'outbound' else 'inbound' end", "type": "text"},
        {"is_outbound": "boolean"},
        lambda v: {"is_outbound": None if v is None else v == "outbound"},
    ),
    "null": Form(None),
}


def of_agent(
    name: str, kind: str, expression: dict[str, str], columns: Mapping[str, str], store: Store
) -> dict[str, Form]:
    return {"column": plain(name, kind), "expression": Form(expression, columns, store), "null": Form(None)}


FORMS: dict[str, dict[str, Form]] = {
    "agents_role_column": of_agent(
        *("role", "text", {"sql": "lower(agent.title)", "type": "text"}, {"title": "text"}),
        lambda v: {"title": upper(v)},
    ),
    "agents_is_active_column": of_agent(
        *("is_active", "boolean", {"sql": "agent.left_on is null", "type": "boolean"}, {"left_on": "date"}),
        lambda v: {"left_on": None if v else "2020-01-01"},
    ),
    "agents_is_ai_agent_column": of_agent(
        *("is_ai", "boolean", {"sql": "agent.kind = 'bot'", "type": "boolean"}, {"kind": "text"}),
        lambda v: {"kind": "bot" if v else "human"},
    ),
    "sessions_status_column": statuses("session", SESSION_CODES),
    "sessions_call_id_column": REFERENCES,
    "sessions_login_at_column": times("session", "login_at"),
    "sessions_logout_at_column": logouts(),
    "sessions_last_activity_column": times("session", "last_activity"),
    "calls_table": {
        "table": Form("call_sessions"),
        "view": Form("calls_seen"),
        "relation": Form({"sql": "select c.* from public.call_sessions as c"}),
        "null": Form(None),
    },
    "calls_status_column": {
        name: form for name, form in statuses("call", CALL_CODES).items() if name != "only read"
    },
    "calls_direction_column": DIRECTIONS,
    "calls_started_at_column": times("call", "started_at"),
    "calls_connected_at_column": times("call", "connected_at"),
    "calls_ended_at_column": times("call", "ended_at"),
    "writes besides": {
        "none": Form(None),
        "some": Form(
            None,
            {"note": "text", "touched_at": "timestamptz", "touched_epoch": "bigint"},
            beside={
                "sessions_on_close": {
                    "note": "closed",
                    "touched_at": {"instant": "now"},
                    "touched_epoch": {"epoch": "now"},
                },
                "sessions_on_available": {"note": "available"},
                "sessions_on_break": {"note": None},
            },
        ),
    },
}
CALL_TIMES = ("calls_started_at_column", "calls_connected_at_column", "calls_ended_at_column")


def possible(chosen: Mapping[str, str]) -> dict[str, str]:
    """The same choice where Rollcall takes it; else with the fact that it lacks."""
    fixed = dict(chosen)
    if fixed["sessions_login_at_column"] == fixed["sessions_last_activity_column"] == "null":
        fixed["sessions_last_activity_column"] = "instant"
    if all(fixed[var] == "null" for var in CALL_TIMES):
        fixed["calls_started_at_column"] = "instant"
    if fixed["sessions_status_column"] == "only read":  # the logout alone closes a session
        fixed["writes besides"] = "none"
        if fixed["sessions_logout_at_column"] == "null":
            fixed["sessions_logout_at_column"] = "instant"
    return fixed


class MappedApplication:
    """An application with one form of each fact.

    Args:
        chosen: the name of a form, by the key of `FORMS`.
    """

    def __init__(self, chosen: Mapping[str, str]) -> None:
        self.forms = {var: FORMS[var][name] for var, name in chosen.items()}

    def variables(self) -> dict[str, Any]:
        """The vars that differ from the defaults."""
        found: dict[str, Any] = {}
        for var, form in self.forms.items():
            if not var.startswith("writes"):
                found[var] = form.value
            found |= form.beside
        return found

    def has(self, var: str) -> bool:
        return self.forms[var].value is not None

    def columns(self, part: str) -> dict[str, str]:
        """The columns of a part's table, beside the key and the references."""
        found: dict[str, str] = {}
        for var, form in self.forms.items():
            if var.startswith(f"{part}_") or (part == "sessions" and var.startswith("writes")):
                found |= form.columns
        return found

    def row(self, part: str, facts: Mapping[str, Any]) -> dict[str, Any]:
        """The values of the columns. facts: by the var without part and `_column`."""
        row: dict[str, Any] = {}
        for name, value in facts.items():
            row |= self.forms[f"{part}_{name}_column"].store(value)
        return row

    def seen(self, part: str, name: str, value: Any) -> Any:
        """What is read of a fact."""
        return value if self.has(f"{part}_{name}_column") else None

    def reach(self) -> Reach:
        def is_written(var: str) -> bool:
            return self.forms[f"sessions_{var}_column"].written is not None

        return Reach(
            has_logout=self.has("sessions_logout_at_column"),
            has_activity=self.has("sessions_last_activity_column"),
            has_calls=self.has("calls_table"),
            has_proofs=self.has("calls_direction_column") and self.has("calls_connected_at_column"),
            has_connections=self.has("calls_connected_at_column"),
            writes_status=is_written("status"),
            writes_logout=is_written("logout_at"),
            writes_reference=is_written("call_id"),
        )
