"""The rows of the demo call centre, and their COPY text."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from zoneinfo import ZoneInfo

import psycopg
from psycopg import sql

from rollcall.sandbox.demo.schema import Names, StatusValues, Variant, name, table, values

NULL = r"\N"
FIRST_NAMES = ("Ada", "Bo", "Chidi", "Dana", "Emil", "Farah", "Goran", "Hana", "Ines", "Jun")
LAST_NAMES = ("Abara", "Berg", "Costa", "Diaz", "Eriksen", "Fontaine", "Gupta", "Haddad", "Ito")


@dataclass(slots=True)
class Agent:
    """A row of the agents table."""

    number: int
    role: str
    is_active: bool = True
    is_ai_agent: bool = False


@dataclass(slots=True)
class Call:
    """A row of the calls table, with the rules that it violates."""

    key: str
    agent: int | None
    """Number of the agent; null while the call waits in the queue."""
    status: str
    direction: str
    started_at: datetime
    connected_at: datetime | None = None
    ended_at: datetime | None = None
    outbound: bool = False
    rules: tuple[str, ...] = ()

    def evidence(self) -> datetime | None:
        """The latest instant at which this call proves its agent's presence, or None."""
        if self.connected_at is not None:
            return max(self.connected_at, self.ended_at or self.connected_at)
        return self.started_at if self.outbound else None


@dataclass(slots=True)
class Session:
    """A row of the sessions table, with the truth about it and the expected remedy."""

    key: str
    agent: int
    status: str
    login_at: datetime
    last_activity: datetime
    logout_at: datetime | None = None
    call: str | None = None
    """Key of the call it refers to."""
    last_heartbeat: datetime | None = None
    device_connected: bool = False
    max_concurrent_calls: int | None = 1
    calls_completed: int = 0
    talk_seconds: int = 0
    kind: str = ""
    rules: tuple[str, ...] = ()
    alive: bool = True
    """The agent is really there."""
    expected: str = "untouched"
    expected_status: str = ""
    last_seen: datetime | None = None
    """The last sign of life, where the session is to be closed."""


class Words:
    """The application's statuses, directions and roles, by their meaning."""

    def __init__(self, names: Names) -> None:
        live = values(names, "live_call_statuses")
        over = values(names, "over_call_statuses")
        not_working = values(names, "not_working_statuses")
        available, on_call, on_break = (
            values(names, f"{meaning}_statuses") or [name(names, f"{meaning}_status")]
            for meaning in ("available", "on_call", "break")
        )
        self.available, self.on_call, self.on_break = available[0], on_call[0], on_break[0]
        self.offline = _preferred(not_working, "offline")
        self.ended = _preferred(not_working, "ended")
        self.closed = name(names, "closed_status")
        self.connected = name(names, "connected_call_status")
        not_connected = [status for status in live if status != self.connected] or live
        self.initiated = _preferred(not_connected, "initiated")
        self.connecting = _preferred(not_connected, "connecting")
        self.ringing = _preferred(not_connected, "ringing")
        self.queued = _preferred(not_connected, "queued")
        self.completed = _preferred(over, "completed")
        self.missed = _preferred(over, "missed_call")
        self.no_answer = _preferred(over, "no_answer")
        self.failed = _preferred(over, "failed")
        self.inbound = values(names, "inbound_directions")[0]
        self.outbound = values(names, "outbound_directions")[0]
        self.agent_role = values(names, "agent_roles")[0]
        self.other_role = "supervisor"
        self.unknown_session_status = "wrap_up"
        self.unknown_call_status = "parked"
        self.working = {self.available, self.on_call, self.on_break}
        self._session_statuses = (
            *(*available, *on_call, *on_break),
            *values(names, "other_working_statuses"),
            *not_working,
            self.unknown_session_status,
        )
        self._call_statuses = (*live, *over, self.unknown_call_status)

    def status_values(self) -> StatusValues:
        """The values that the two status columns must accept."""
        return StatusValues(
            sessions=tuple(dict.fromkeys(self._session_statuses)),
            calls=tuple(dict.fromkeys(self._call_statuses)),
            default_session=self.offline,
            default_call=self.initiated,
        )


class Keys:
    """Make new keys of one type, in a repeatable order; bigint keys start at `first`."""

    def __init__(self, variant: Variant, rng: random.Random, first: int = 1) -> None:
        self._next = first
        self._bits = rng.getrandbits
        makers: dict[str, Callable[[], str]] = {
            "uuid": self._uuid,
            "bigint": self._bigint,
            "text": self._text,
        }
        self.new = makers[variant.keys]

    def _uuid(self) -> str:
        digits = f"{self._bits(128):032x}"
        return (
            f"{digits[:8]}-{digits[8:12]}-4{digits[13:16]}-"
            f"{'89ab'[int(digits[16], 16) & 3]}{digits[17:20]}-{digits[20:]}"
        )

    def _bigint(self) -> str:
        self._next += 1
        return str(self._next - 1)

    def _text(self) -> str:
        return f"c{self._bits(96):024x}"


class RowText:
    """Format rows as lines of COPY text for one variant."""

    def __init__(self, names: Names, variant: Variant) -> None:
        self._migrated = variant.migrated
        self._agent_key = _agent_key(variant)
        zone = ZoneInfo(name(names, "app_time_zone")) if "app_time_zone" in names else UTC
        self.time = _time_text(variant, zone)

    def agent(self, row: Agent, created_at: datetime) -> str:
        """One line for the agents table."""
        created = self.time(created_at)
        first = FIRST_NAMES[row.number % len(FIRST_NAMES)]
        last = LAST_NAMES[row.number % len(LAST_NAMES)]
        return (
            f"{self._agent_key(row.number)}\tagent{row.number:05d}@example.test\t{first}\t{last}\t"
            f"{row.role}\t{row.is_active}\t{row.is_ai_agent}\t{created}\t{created}\n"
        )

    def session(self, row: Session) -> str:
        """One line for the sessions table."""
        line = (
            f"{row.key}\t{self._agent_key(row.agent)}\t{row.status}\t"
            f"{NULL if row.call is None else row.call}\t{self.time(row.login_at)}\t"
            f"{self._time_or_null(row.logout_at)}\t{self.time(row.last_activity)}\t"
            f"{row.calls_completed}\t{row.talk_seconds}"
        )
        if not self._migrated:
            return line + "\n"
        capacity = NULL if row.max_concurrent_calls is None else row.max_concurrent_calls
        heartbeat = self._time_or_null(row.last_heartbeat)
        return f"{line}\t{heartbeat}\t{row.device_connected}\t{capacity}\n"

    def call(self, row: Call, user_id: int) -> str:
        """One line for the calls table."""
        started = self.time(row.started_at)
        agent = NULL if row.agent is None else self._agent_key(row.agent)
        updated = row.ended_at or row.connected_at
        return (
            f"{row.key}\t{user_id}\t{agent}\t{row.status}\t{row.direction}\t{started}\t"
            f"{self._time_or_null(row.connected_at)}\t{self._time_or_null(row.ended_at)}\t"
            f"{_seconds(row.started_at, row.ended_at)}\t"
            f"{_seconds(row.connected_at, row.ended_at)}\t"
            f"{started}\t{started if updated is None else self.time(updated)}\n"
        )

    def truth(self, row: Session) -> str:
        """One line for `demo_truth.sessions`."""
        rules = ",".join(row.rules)
        logout = NULL if row.last_seen is None else f"{row.last_seen.isoformat()}"
        return (
            f"{row.key}\t{row.kind}\t{row.alive}\t{{{rules}}}\t{row.expected}\t"
            f"{row.expected_status}\t{logout}\n"
        )

    def _time_or_null(self, moment: datetime | None) -> str:
        return NULL if moment is None else self.time(moment)


class Loader:
    """Collect lines for the tables and copy them in batches, in their order.

    At most `BATCH` lines per table are held. `frozen` rows need no later VACUUM; this is possible because the
    tables are created in the same transaction (except partitioned ones).
    """

    BATCH = 5_000

    def __init__(self, cursor: psycopg.Cursor, names: Names, variant: Variant) -> None:
        self._cursor = cursor
        self._buffers: dict[str, list[str]] = {target: [] for target in _TARGETS}
        self._statements = _copy_statements(names, variant)
        self.copied = dict.fromkeys(_TARGETS, 0)
        """Rows given so far, per target."""

    def add(self, target: str, line: str) -> None:
        """Add one line for `agents`, `sessions`, `calls` or `truth`."""
        buffer = self._buffers[target]
        buffer.append(line)
        if len(buffer) >= self.BATCH:
            self._flush(target)

    def flush(self) -> None:
        """Copy all lines that are still held."""
        for target in _TARGETS:
            self._flush(target)

    def _flush(self, target: str) -> None:
        lines = self._buffers[target]
        if not lines:
            return
        with self._cursor.copy(self._statements[target]) as copy:
            copy.write("".join(lines))
        self.copied[target] += len(lines)
        lines.clear()


_TARGETS = ("agents", "sessions", "calls", "truth")

_AGENT_COLUMNS = (
    *("agents_id_column", "=email", "=first_name", "=last_name", "agents_role_column"),
    *("agents_is_active_column", "agents_is_ai_agent_column", "=created_at", "=updated_at"),
)
_SESSION_COLUMNS = (
    *("sessions_id_column", "sessions_agent_id_column", "sessions_status_column"),
    *("sessions_call_id_column", "sessions_login_at_column", "sessions_logout_at_column"),
    *("sessions_last_activity_column", "=calls_completed_today", "=total_talk_time_seconds"),
)
_MIGRATED_COLUMNS = (
    "sessions_last_heartbeat_column",
    "sessions_device_connected_column",
    "sessions_max_concurrent_calls_column",
)
_CALL_COLUMNS = (
    *("calls_id_column", "=user_id", "calls_agent_id_column", "calls_status_column"),
    *("calls_direction_column", "calls_started_at_column", "calls_connected_at_column"),
    *("calls_ended_at_column", "=duration_seconds", "=talk_time_seconds"),
    *("=created_at", "=updated_at"),
)


def _copy_statements(names: Names, variant: Variant) -> Mapping[str, sql.Composed]:
    """A COPY per target; a column is a var, or a plain name after `=`."""
    session_columns = _SESSION_COLUMNS + (_MIGRATED_COLUMNS if variant.migrated else ())
    targets = {
        "agents": (table(names, "agents_table"), _AGENT_COLUMNS),
        "sessions": (table(names, "sessions_table"), session_columns),
        "calls": (table(names, "calls_table"), _CALL_COLUMNS),
    }
    statements = {}
    for target, (relation, columns) in targets.items():
        frozen = sql.SQL("" if target == "sessions" and variant.partitioned else " with (freeze true)")
        statements[target] = sql.SQL("copy {} ({}) from stdin{}").format(
            relation,
            sql.SQL(", ").join(_column(names, column) for column in columns),
            frozen,
        )
    statements["truth"] = sql.SQL("copy {} from stdin with (freeze true)").format(
        sql.Identifier("demo_truth", "sessions")
    )
    return statements


def _column(names: Names, column: str) -> sql.Identifier:
    return sql.Identifier(column[1:] if column.startswith("=") else name(names, column))


def _preferred(candidates: list[str], wanted: str) -> str:
    return wanted if wanted in candidates else candidates[0]


def _seconds(start: datetime | None, end: datetime | None) -> str:
    if start is None or end is None:
        return NULL
    return str(int((end - start).total_seconds()))


def _agent_key(variant: Variant) -> Callable[[int], str]:
    if variant.agent_keys == "uuid":
        return lambda number: f"00000000-0000-4000-8000-{number:012d}"
    if variant.agent_keys == "text":
        return lambda number: f"agent-{number}"
    return str


def _time_text(variant: Variant, zone: tzinfo) -> Callable[[datetime], str]:
    """Format an instant (aware, UTC) to the millisecond, naive in the configured zone."""
    if variant.timestamps == "timestamptz":
        return lambda moment: moment.isoformat(" ", "milliseconds")
    if str(zone) == "UTC":
        return lambda moment: moment.isoformat(" ", "milliseconds")[:23]
    return lambda moment: moment.astimezone(zone).isoformat(" ", "milliseconds")[:23]
