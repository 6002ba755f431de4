"""Sessions and calls in the tables of a mapped application, and what the model expects there."""

from __future__ import annotations

import contextlib
import uuid
from collections import Counter
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import psycopg
import yaml
from psycopg import sql

from rollcall.ledger.runs import open_run
from rollcall.settings.configuration import load_settings
from rollcall.steps.clean.cleaning import clean
from rollcall.steps.plan.pending_work import Plan, make_plan
from rollcall.steps.undo import undo
from rollcall.workspace import Workspace
from tests.support.application_model import (
    SESSION_STATUSES,
    Call,
    Repair,
    Session,
    feed_is_silent,
    repairs,
)
from tests.support.call_centre import share_compilations
from tests.support.floor import QUICK
from tests.support.floors import Example
from tests.support.mapped_application import MappedApplication

MOST = 8
"""Examples side by side. In each, agents 1 to 3 are there, and a hundred is not."""
AGENTS = tuple(
    (10 * place + number, *facts)
    for place in range(MOST)
    for number, facts in (
        (1, ("agent", True, False)),
        (2, (None, None, None)),
        (3, ("agent", False, True)),
    )
)
KNOWN = {key for key, *_ in AGENTS}
ACTIVE = {key for key, _, is_active, _ in AGENTS if is_active}
TABLES = {
    "agents": {"id": "integer primary key"},
    "sessions": {
        "id": "uuid primary key",
        "agent_id": "integer",
        "last_heartbeat": "timestamptz",
        "device_connected": "boolean",
        "max_concurrent_calls": "integer",
    },
    "calls": {"id": "uuid primary key", "agent_id": "integer"},
}
NAMES = {"agents": "agents", "sessions": "agent_sessions", "calls": "call_sessions"}
VIEW = "create view calls_seen as select * from call_sessions"


class MappedFloor:
    """The tables of one application in a database of their own, with a workspace on them.

    Attributes:
        sessions, calls: as the application shows them, after `load`.
    """

    def __init__(self, url: str, state: Path, application: MappedApplication) -> None:
        self.url, self.application = url, application
        self.sessions: list[Session] = []
        self.calls: list[Call] = []
        self.reach = application.reach()
        with psycopg.connect(url) as connection:
            for part, name in NAMES.items():
                columns = {**TABLES[part], **application.columns(part)}
                listed = ", ".join(f"{column} {kind}" for column, kind in columns.items())
                connection.execute(f"create table {name} ({listed})".encode())
            connection.execute(VIEW)
        environment = {
            "ROLLCALL_DATABASE_URL": url,
            "ROLLCALL_STATE_DIR": str(share_compilations(state)),
            "ROLLCALL_VARS": yaml.safe_dump(application.variables()),
        }
        settings = load_settings(environment=environment)
        settings.variables.update(QUICK)
        self.workspace = Workspace(settings)
        with open_run(self.workspace, "migrate"):
            pass

    # --- rows -------------------------------------------------------------------------------------

    def load(self, example: Example, now: datetime) -> None:
        """Store the example in the application's form, and keep what is read of it for the model."""
        sessions, calls = ([self._with_instants(row, now) for row in rows] for rows in example)
        keys = [str(uuid.uuid4()) for _ in calls]
        with psycopg.connect(self.url) as connection:
            connection.execute("truncate agents, agent_sessions, call_sessions")
            for key, role, is_active, is_ai in AGENTS:
                facts = {"role": role, "is_active": is_active, "is_ai_agent": is_ai}
                self._insert(connection, "agents", {"id": key}, facts)
            self.calls = [
                self._load_call(connection, key, call) for key, call in zip(keys, calls, strict=True)
            ]
            self.sessions = [self._load_session(connection, session, keys) for session in sessions]

    @staticmethod
    def _with_instants(row: dict[str, Any], now: datetime) -> dict[str, Any]:
        times = ("login", "activity", "heartbeat", "logout", "started", "connected", "ended")
        return {
            name: now - timedelta(milliseconds=value) if name in times and value is not None else value
            for name, value in row.items()
        }

    def _load_call(self, connection: psycopg.Connection[Any], key: str, call: dict[str, Any]) -> Call:
        times = {f"{name}_at": call[name] for name in ("started", "connected", "ended")}
        facts = {"status": call["status"], "direction": call["direction"], **times}
        self._insert(connection, "calls", {"id": key, "agent_id": call["agent"]}, facts)
        seen = {name: self.application.seen("calls", name, value) for name, value in facts.items()}
        return Call(
            *(key, call["agent"], seen["status"], seen["direction"]),
            *(seen["started_at"], seen["connected_at"], seen["ended_at"]),
        )

    def _load_session(
        self, connection: psycopg.Connection[Any], session: dict[str, Any], calls: list[str]
    ) -> Session:
        key, call = str(uuid.uuid4()), session["call"]
        if call is not None:
            call = str(uuid.uuid4()) if call == "missing" else calls[call]
        facts = {
            "status": session["status"],
            "call_id": call,
            "login_at": session["login"],
            "logout_at": session["logout"],
            "last_activity": session["activity"],
        }
        own = {
            "id": key,
            "agent_id": session["agent"],
            "last_heartbeat": session["heartbeat"],
            "device_connected": session["device"],
            "max_concurrent_calls": session["capacity"],
        }
        self._insert(connection, "sessions", own, facts)
        seen = {name: self.application.seen("sessions", name, value) for name, value in facts.items()}
        return Session(
            *(key, session["agent"], seen["status"], seen["login_at"], seen["last_activity"]),
            *(session["heartbeat"], seen["logout_at"], seen["call_id"]),
        )

    def _insert(
        self, connection: psycopg.Connection[Any], part: str, own: dict[str, Any], facts: dict[str, Any]
    ) -> None:
        row = {**own, **self.application.row(part, facts)}
        query = sql.SQL("insert into {} ({}) values ({})").format(
            sql.Identifier(NAMES[part]),
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join(sql.Placeholder() * len(row)),
        )
        connection.execute(query, list(row.values()))

    def images(self) -> dict[str, dict[str, Any]]:
        """Every row of the three tables as JSON, by table and key."""
        found = {}
        with contextlib.closing(psycopg.connect(self.url)) as connection:
            for name in NAMES.values():
                query = sql.SQL("select id::text, to_jsonb(t) from {} as t").format(sql.Identifier(name))
                found[name] = dict(connection.execute(query).fetchall())
        return found

    # --- the model --------------------------------------------------------------------------------

    def expected(self, now: datetime) -> dict[str, Repair]:
        calls = self.calls if self.reach.has_calls else []
        return repairs(now, KNOWN, self.sessions, calls, self.reach)

    def expected_counts(self, now: datetime) -> dict[str, int]:
        """What the assessment counts, by the name of the rule."""
        opened = [session for session in self.sessions if self.reach.is_open(session)]
        calls = self.calls if self.reach.has_calls else []
        active = ACTIVE if self.application.has("agents_is_active_column") else KNOWN
        rules = Counter(rule for repair in self.expected(now).values() for rule in repair.rules)
        return {
            "open_sessions": len(opened),
            "pending_changes": len(self.expected(now)),
            "abandoned_session": rules["abandoned_session"],
            "orphaned_call_reference": rules["orphaned_call_reference"],
            "invalid_on_call": rules["invalid_on_call"],
            "unknown_session_status": sum(session.status not in SESSION_STATUSES for session in opened),
            "unknown_agent": sum(session.agent not in KNOWN for session in opened),
            "session_of_inactive_agent": sum(s.agent in KNOWN - active for s in opened),
            "duplicate_open_session": len(opened) - len({session.agent for session in opened}),
            "no_active_agents": 0,
            "silent_feed": int(feed_is_silent(now, opened, calls, self.reach)),
        }

    # --- Rollcall ---------------------------------------------------------------------------------

    def counts(self, now: datetime) -> dict[str, Any]:
        query = self.workspace.project.sql("readiness_counts")
        with self.workspace.database.snapshot(now) as snapshot:
            return dict(snapshot.row(query))

    def plan(self, now: datetime) -> Plan:
        return make_plan(self.workspace, now)

    def clean(self, plan: Plan) -> tuple[str, int, list[dict[str, str]]]:
        """The run, and how many sessions it changed and which it skipped."""
        plan.made_at += timedelta(minutes=1)  # the test takes time, and presence has to be proven at its end
        with open_run(self.workspace, "clean") as run:
            result = clean(self.workspace, run, plan)
        return run.id, result.changed, result.skipped

    def undo(self, run_id: str) -> list[dict[str, str]]:
        """The sessions that could not be restored."""
        return undo(self.workspace, run_id).conflicts
