"""The application's writes, one method per event: the table of events in docs/domain.md.

Each write is a transaction of its own, on the configured names and the types of the columns. Every statement
returns the written rows with their instant and transaction, from which the ground truth is built.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from psycopg import sql

from rollcall.errors import ConfigurationError
from rollcall.sandbox.demo.rows import Words
from rollcall.sandbox.demo.schema import name, table, values
from rollcall.sandbox.simulator.gateway import Gateway, Reply
from rollcall.sandbox.simulator.statements import ROW_PER_AGENT, shape_of

__all__ = ["Application", "Write", "Written"]

UNSET = "unset"
TRUE = sql.SQL("true")


@dataclass(frozen=True)
class Written:
    """One row as a statement left it. Times are seconds since 1970, by the server.

    Attributes:
        stamped: the instant that the application wrote into the columns.
        done: when the row was written, after waiting for locks.
        xid: the transaction.
        is_open: of a session, whether it is open afterwards.
    """

    key: str
    stamped: float
    done: float
    xid: int
    is_open: bool = True


@dataclass(frozen=True)
class Write:
    """A statement's rows, when it was sent and when its commit was known."""

    rows: tuple[Written, ...]
    issued: float
    acked: float
    retried: bool

    @property
    def row(self) -> Written | None:
        return self.rows[0] if self.rows else None


@dataclass(frozen=True)
class Column:
    """A column of one of the application's tables, as the catalog has it."""

    type: str
    is_required: bool


class Application:
    """The application's statements.

    Args:
        gateway: its connections.
        names: the vars of `dbt_project.yml`.
        columns: the columns by name for each table (by its var); see `read_columns`.
        routes_by_view: whether its router takes the agents of `rollcall.routable_agents`.
    """

    def __init__(
        self,
        gateway: Gateway,
        names: Mapping[str, Any],
        columns: Mapping[str, Mapping[str, Column]],
        speed: float,
        *,
        routes_by_view: bool = False,
    ) -> None:
        self.words = Words(names)
        self._routes_by_view = routes_by_view
        self._gateway = gateway
        self._names = names
        self._columns = columns
        self._day = 24 * 3600 / speed
        self._shape = shape_of(names)
        self._fields = {
            var: sql.Identifier(name(names, var))
            for var in names
            if var.endswith("_column") and names[var] is not None
        }
        self._tables = {var: table(names, var) for var in ("agents_table", "sessions_table", "calls_table")}
        sessions = columns["sessions_table"]
        self.has_heartbeats = all(
            name(names, f"sessions_{column}_column") in sessions
            for column in ("last_heartbeat", "device_connected")
        )
        self._sql = self._statements()

    # --- agents ----------------------------------------------------------------------------------

    async def find_or_add_agent(self, number: int, label: str) -> str:
        """Find or insert an active human agent; returns its key.

        Where agents have a row for ever, it is there before the first login, and offline.
        """
        email = f"{label}-{number}@simulated.test"
        found = await self._gateway.execute("find agent", self._sql["find_agent"], [email])
        key = str(found.rows[0][0]) if found.rows else await self._add_agent(email, f"{label}-{number}")
        if self._shape is ROW_PER_AGENT and await self.todays_session(key) is None:
            fields = {"sessions_agent_id_column": key, "sessions_status_column": self.words.offline}
            query, parameters = self._insert("sessions_table", "sessions_id_column", None, fields)
            await self._gateway.execute("add row of agent", query, parameters)
        return key

    async def _add_agent(self, email: str, label: str) -> str:
        fields: dict[str, Any] = {
            "email": email,
            "agents_role_column": self.words.agent_role,
            "agents_is_active_column": "true",
            "agents_is_ai_agent_column": "false",
        }
        if self._tables["agents_table"] == self._tables["sessions_table"]:
            fields["sessions_status_column"] = self.words.offline
        query, parameters = self._insert("agents_table", "agents_id_column", label, fields)
        reply = await self._gateway.execute("add agent", query, parameters)
        if not reply.rows:
            reason = self._gateway.failures[-1].message if self._gateway.failures else "no row"
            raise ConfigurationError(f"an agent cannot be added: {reason}", "simulate on another database")
        return str(reply.rows[0][0])

    # --- sessions --------------------------------------------------------------------------------

    async def log_in(self, agent: str) -> Write:
        """Insert a new session with the status `available`; or update the agent's row for ever."""
        if self._shape is ROW_PER_AGENT:
            return await self._write("log in", "log_in", agent, self.words.available)
        fields: dict[str, Any] = {
            "sessions_agent_id_column": agent,
            "sessions_status_column": self.words.available,
            "sessions_login_at_column": UNSET,
            "sessions_last_activity_column": UNSET,
        }
        if self.has_heartbeats:
            fields |= {"sessions_last_heartbeat_column": UNSET, "sessions_device_connected_column": "true"}
        query, parameters = self._insert("sessions_table", "sessions_id_column", None, fields)
        return _write(await self._gateway.execute("log in", query, parameters))

    async def todays_session(self, agent: str) -> str | None:
        """Find the agent's latest session of today, open or closed; or the agent's row for ever."""
        reply = await self._gateway.execute("find session", self._sql["todays_session"], [agent])
        return str(reply.rows[0][0]) if reply.rows else None

    async def reuse(self, session: str) -> Write:
        return await self._write("reuse session", "reuse", session, self.words.available)

    async def heartbeat(self, agent: str) -> Write:
        """Record a heartbeat on every open session of the agent."""
        return await self._write("heartbeat", "heartbeat", agent)

    async def change_status(self, session: str, status: str) -> Write:
        """Set the status from the sidebar; a break also clears the call reference."""
        statement = "take_break" if status == self.words.on_break else "change_status"
        return await self._write("change status", statement, session, status)

    async def log_out(self, session: str) -> Write:
        return await self._write("log out", "log_out", session, self.words.offline)

    async def hide_tab(self, session: str) -> Write:
        return await self._write("hide tab", "set_status", session, self.words.on_break)

    async def close_tab(self, session: str) -> Write:
        """Fire the beacon: the session stays open, and keeps its call reference."""
        return await self._write("close tab", "close_tab", session, self.words.offline)

    # --- calls -----------------------------------------------------------------------------------

    async def start_call(self, agent: str, *, inbound: bool) -> Write:
        words = self.words
        fields: dict[str, Any] = {
            "calls_agent_id_column": agent,
            "calls_status_column": words.ringing if inbound else words.initiated,
            "calls_direction_column": words.inbound if inbound else words.outbound,
            "calls_started_at_column": UNSET,
        }
        query, parameters = self._insert("calls_table", "calls_id_column", None, fields)
        kind = "ring" if inbound else "dial"
        return _write(await self._gateway.execute(kind, query, parameters))

    async def refer_to_call(self, session: str, call: str) -> Write:
        return await self._write("refer to call", "refer_to_call", session, call, self.words.on_call)

    async def connect_call(self, call: str) -> Write:
        return await self._write("connect call", "connect_call", call, self.words.connected)

    async def end_call(self, call: str, status: str) -> Write:
        return await self._write("end call", "end_call", call, status)

    async def free_session(self, call: str) -> Write:
        """Release each session that refers to the call, whether or not its agent is present."""
        return await self._write("free session", "free_session", call, self.words.available)

    async def longest_idle(self, busy: Sequence[str]) -> tuple[str, str] | None:
        """The session and agent that the router chooses."""
        if self._routes_by_view:
            reply = await self._gateway.execute("route", self._sql["route_by_view"], [list(busy)])
        else:
            parameters = [self.words.available, list(busy)]
            reply = await self._gateway.execute("route", self._sql["route"], parameters)
        return (str(reply.rows[0][0]), str(reply.rows[0][1])) if reply.rows else None

    async def purge(self, agents: Sequence[str], older_than: float) -> tuple[Write, list[str]]:
        """Delete calls of these agents that ended so many seconds ago; returns the agents too."""
        reply = await self._gateway.execute("purge", self._sql["purge"], [list(agents), older_than])
        return _write(reply), [str(row[5]) for row in reply.rows]

    async def sessions_of(self, agents: Sequence[str]) -> list[tuple[Any, ...]]:
        """Key, agent, open, status, call, transaction and instant of each row; not the application's."""
        return (await self._gateway.execute("(observe)", self._sql["sessions_of"], [list(agents)])).rows

    async def routing_of(self, agents: Sequence[str]) -> Reply:
        """Key, status and whether `rollcall.routable_agents` has it, of each row; for the observer only."""
        return await self._gateway.execute("(observe)", self._sql["routing_of"], [list(agents)])

    def is_open(self, image: Mapping[str, Any]) -> bool:
        """Whether a row of the sessions, as JSON, is an open session."""
        if self._shape is ROW_PER_AGENT:
            status = image[name(self._names, "sessions_status_column")]
            return status not in values(self._names, "not_working_statuses")
        return image[name(self._names, "sessions_logout_at_column")] is None

    # --- writing ---------------------------------------------------------------------------------

    async def _write(self, kind: str, statement: str, *parameters: Any) -> Write:
        return _write(await self._gateway.execute(kind, self._sql[statement], parameters))

    def _statements(self) -> dict[str, sql.Composed]:
        not_working = map(sql.Literal, values(self._names, "not_working_statuses"))
        is_open = sql.SQL(self._shape.is_open).format(
            **self._fields, not_working=sql.SQL("array[{}]").format(sql.SQL(", ").join(not_working))
        )
        places = {
            **self._fields,
            **self._tables,
            "session_now": self._now("sessions_last_activity_column"),
            "call_now": self._now("calls_ended_at_column"),
            "login_now": self._now("sessions_login_at_column"),
            "connected_now": self._now("calls_connected_at_column"),
            "logout_now": self._now("sessions_logout_at_column"),
            "session_is_open": is_open,
            "session_written": _written(self._fields["sessions_id_column"], is_open),
            "call_written": _written(self._fields["calls_id_column"]),
            "agent_is_active": self._agent_is_active(),
            "day": sql.Literal(self._day),
            "heartbeats": self._heartbeat_columns(),
            "disconnected": self._if_heartbeats("{sessions_device_connected_column} = false,"),
            "counters": self._counters(),
            "duration": self._duration(),
            "agent_keys": sql.SQL(self._type("calls_table", "calls_agent_id_column")),
            "session_agent_keys": sql.SQL(self._type("sessions_table", "sessions_agent_id_column")),
            "recently_ended": sql.SQL("{} - make_interval(secs => $2)").format(
                self._now("calls_ended_at_column")
            ),
        }
        return {title: sql.SQL(text).format(**places) for title, text in self._shape.statements.items()}

    def _agent_is_active(self) -> sql.Composable:
        column = self._fields.get("agents_is_active_column")
        return sql.SQL("true") if column is None else sql.SQL("a.{}").format(column)

    def _if_heartbeats(self, text: str) -> sql.Composed:
        return sql.SQL(text if self.has_heartbeats else "").format(**self._fields)

    def _heartbeat_columns(self) -> sql.Composed:
        if not self.has_heartbeats:
            return sql.SQL("").format()
        return sql.SQL("{} = {}, {} = true,").format(
            self._fields["sessions_last_heartbeat_column"],
            self._now("sessions_last_heartbeat_column"),
            self._fields["sessions_device_connected_column"],
        )

    def _counters(self) -> sql.Composed:
        known = self._columns["sessions_table"]
        parts = [
            sql.SQL(", {0} = {0} + {1}").format(sql.Identifier(column), sql.SQL(amount))
            for column, amount in (("calls_completed_today", "1"), ("total_talk_time_seconds", "60"))
            if column in known
        ]
        return sql.Composed(parts)

    def _duration(self) -> sql.Composed:
        known = self._columns["calls_table"]
        parts = [
            sql.SQL(", {} = {}").format(sql.Identifier(column), value)
            for column, value in (
                ("duration_seconds", self._seconds_since_start()),
                ("updated_at", self._now_of(known.get("updated_at"))),
            )
            if column in known
        ]
        return sql.Composed(parts)

    def _seconds_since_start(self) -> sql.Composed:
        return sql.SQL("extract(epoch from {} - {})::integer").format(
            self._now("calls_started_at_column"), self._fields["calls_started_at_column"]
        )

    def _insert(
        self, table_var: str, key_var: str, key: str | None, fields: Mapping[str, Any]
    ) -> tuple[sql.Composed, list[Any]]:
        """An INSERT of these columns (vars, or plain names) and of all other mandatory columns."""
        known = self._columns[table_var]
        given: dict[str, sql.Composable] = {}
        parameters: list[Any] = []
        for label, value in fields.items():
            column = self._names[label] if label.endswith("_column") else label
            if column not in known:
                continue
            if value == UNSET:
                given[column] = self._now_of(known[column])
            else:
                parameters.append(value)
                given[column] = sql.SQL(f"${len(parameters)}")
        key_column = name(self._names, key_var)
        chosen = _new_key(known[key_column], key)
        if chosen is not None and key_column not in given:
            parameters.append(chosen)
            given[key_column] = sql.SQL(f"${len(parameters)}")
        for column, facts in known.items():
            if facts.is_required and column not in given:
                given[column] = self._filler(table_var, column, facts)
        query = sql.SQL("insert into {} ({}) values ({}) on conflict do nothing returning {}").format(
            self._tables[table_var],
            sql.SQL(", ").join(sql.Identifier(column) for column in given),
            sql.SQL(", ").join(given.values()),
            _written(sql.Identifier(key_column)),
        )
        return query, parameters

    def _filler(self, table_var: str, column: str, facts: Column) -> sql.Composable:
        """A value for a mandatory column of the application that the simulator does not know."""
        if facts.type.startswith("timestamp"):
            return self._now_of(facts)
        simple = {"text": "''", "boolean": "false", "jsonb": "'{}'"}
        if facts.type in simple or facts.type.startswith("character"):
            return sql.SQL(simple.get(facts.type, "''"))
        if facts.type in ("integer", "bigint", "smallint", "double precision", "real", "numeric"):
            return sql.SQL("0")
        if facts.type == "uuid":
            return sql.SQL("gen_random_uuid()")
        raise ConfigurationError(
            f"{name(self._names, table_var)}.{column} must have a value, and the simulator knows none",
            "give it a default in the test database",
        )

    def _now(self, var: str) -> sql.Composable:
        table_var = f"{var.partition('_')[0]}_table"
        return self._now_of(self._columns[table_var].get(self._names[var]))

    def _now_of(self, facts: Column | None) -> sql.Composable:
        if facts is None or "without" not in facts.type:
            return sql.SQL("now()")
        return sql.SQL("(now() at time zone {})").format(sql.Literal(self._names["app_time_zone"]))

    def _type(self, table_var: str, var: str) -> str:
        return self._columns[table_var][name(self._names, var)].type


def _new_key(facts: Column, wanted: str | None) -> str | None:
    """A key in the application's format, or None where the database generates it."""
    if facts.type == "uuid":
        return str(uuid.uuid4())
    if facts.type in ("integer", "bigint", "smallint"):
        return None
    return wanted or f"s{uuid.uuid4().hex}"


def _written(key: sql.Identifier, is_open: sql.Composable = TRUE) -> sql.Composed:
    """The RETURNING clause of every write; the clock is read after any wait for locks."""
    return sql.SQL(
        "{}::text, extract(epoch from now())::float8, "
        "extract(epoch from clock_timestamp())::float8, pg_current_xact_id()::text::bigint, {}"
    ).format(key, is_open)


def _write(reply: Reply) -> Write:
    rows = tuple(Written(*row[:5]) for row in reply.rows)
    return Write(rows, reply.issued, reply.acked, reply.retried)
