"""The application's statement for each event of docs/domain.md, with configured names.

Two applications are played: one that inserts a session at each login, and one with a row per agent for ever.
Their difference stands in `SESSION_PER_LOGIN` and `ROW_PER_AGENT`, and nowhere else.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rollcall.errors import ConfigurationError

__all__ = ["OPTIONAL", "ROW_PER_AGENT", "SESSION_PER_LOGIN", "Shape", "shape_of"]

OPTIONAL = ("agents_role_column", "agents_is_active_column", "agents_is_ai_agent_column")
"""The vars that may be null in both applications."""

_LOG_IN_AND_OUT = ("sessions_login_at_column", "sessions_logout_at_column")

_COMMON = {
    "find_agent": "select {agents_id_column}::text from {agents_table} where email = $1",
    "heartbeat": """
        update {sessions_table}
        set {heartbeats} {sessions_last_activity_column} = {session_now}
        where {sessions_agent_id_column} = $1 and {session_is_open}
        returning {session_written}
    """,
    "change_status": """
        update {sessions_table}
        set {sessions_status_column} = $2, {sessions_last_activity_column} = {session_now}
        where {sessions_id_column} = $1
        returning {session_written}
    """,
    "take_break": """
        update {sessions_table}
        set {sessions_status_column} = $2, {sessions_last_activity_column} = {session_now},
            {sessions_call_id_column} = null
        where {sessions_id_column} = $1
        returning {session_written}
    """,
    "set_status": """
        update {sessions_table} set {sessions_status_column} = $2 where {sessions_id_column} = $1
        returning {session_written}
    """,
    "close_tab": """
        update {sessions_table} set {disconnected} {sessions_status_column} = $2
        where {sessions_id_column} = $1
        returning {session_written}
    """,
    "refer_to_call": """
        update {sessions_table} set {sessions_status_column} = $3, {sessions_call_id_column} = $2
        where {sessions_id_column} = $1
        returning {session_written}
    """,
    "connect_call": """
        update {calls_table}
        set {calls_status_column} = $2, {calls_connected_at_column} = {connected_now}
        where {calls_id_column} = $1
        returning {call_written}
    """,
    "end_call": """
        update {calls_table}
        set {calls_status_column} = $2, {calls_ended_at_column} = {call_now} {duration}
        where {calls_id_column} = $1
        returning {call_written}
    """,
    "free_session": """
        update {sessions_table}
        set {sessions_status_column} = $2, {sessions_call_id_column} = null {counters}
        where {sessions_call_id_column} = $1
        returning {session_written}
    """,
    "route": """
        select {sessions_id_column}::text, {sessions_agent_id_column}::text
        from {sessions_table}
        where {sessions_status_column} = $1
            and {session_is_open}
            and {sessions_agent_id_column} in (
                select a.{agents_id_column} from {agents_table} as a where {agent_is_active}
            )
            and {sessions_agent_id_column} <> all($2::{session_agent_keys}[])
        order by {sessions_last_activity_column}
        limit 1
    """,
    "route_by_view": """
        select s.{sessions_id_column}::text, s.{sessions_agent_id_column}::text
        from rollcall.routable_agents as r
        join {sessions_table} as s on s.{sessions_id_column} = r.session_id
        where s.{sessions_agent_id_column} <> all($1::{session_agent_keys}[])
        order by s.{sessions_last_activity_column}
        limit 1
    """,
    "purge": """
        delete from {calls_table}
        where {calls_agent_id_column} = any($1::{agent_keys}[])
            and {calls_ended_at_column} < {recently_ended}
        returning {call_written}, {calls_agent_id_column}::text
    """,
    "sessions_of": """
        select {sessions_id_column}::text, {sessions_agent_id_column}::text, {session_is_open},
            {sessions_status_column}::text, {sessions_call_id_column}::text, xmin::text::bigint,
            extract(epoch from clock_timestamp())::float8
        from {sessions_table}
        where {sessions_agent_id_column} = any($1::{session_agent_keys}[])
    """,
    "routing_of": """
        select s.{sessions_id_column}::text, s.{sessions_status_column}::text, r.session_id is not null
        from {sessions_table} as s
        left join rollcall.routable_agents as r on r.session_id = s.{sessions_id_column}
        where s.{sessions_agent_id_column} = any($1::{session_agent_keys}[])
    """,
}


@dataclass(frozen=True)
class Shape:
    """One application: its statements, and what differs in them.

    Attributes:
        is_open: SQL, whether a row of the sessions table is an open session.
        without: the vars that are null in it.
    """

    name: str
    is_open: str
    without: tuple[str, ...]
    statements: Mapping[str, str]


SESSION_PER_LOGIN = Shape(
    name="a session per login",
    is_open="{sessions_logout_at_column} is null",
    without=(),
    statements={
        **_COMMON,
        "todays_session": """
            select {sessions_id_column}::text
            from {sessions_table}
            where {sessions_agent_id_column} = $1
                and {sessions_login_at_column} > {login_now} - make_interval(secs => {day})
            order by {sessions_login_at_column} desc
            limit 1
        """,
        "reuse": """
            update {sessions_table}
            set {heartbeats} {sessions_status_column} = $2, {sessions_logout_at_column} = null,
                {sessions_last_activity_column} = {session_now}
            where {sessions_id_column} = $1
            returning {session_written}
        """,
        "log_out": """
            update {sessions_table}
            set {sessions_status_column} = $2, {sessions_logout_at_column} = {logout_now}
            where {sessions_id_column} = $1
            returning {session_written}
        """,
    },
)

ROW_PER_AGENT = Shape(
    name="a row per agent",
    is_open="coalesce({sessions_status_column}::text <> all({not_working}), true)",
    without=_LOG_IN_AND_OUT,
    statements={
        **_COMMON,
        "todays_session": """
            select {sessions_id_column}::text from {sessions_table} where {sessions_agent_id_column} = $1
        """,
        "log_in": """
            update {sessions_table}
            set {heartbeats} {sessions_status_column} = $2, {sessions_last_activity_column} = {session_now}
            where {sessions_agent_id_column} = $1
            returning {session_written}
        """,
        "reuse": """
            update {sessions_table}
            set {heartbeats} {sessions_status_column} = $2, {sessions_last_activity_column} = {session_now}
            where {sessions_id_column} = $1
            returning {session_written}
        """,
        "log_out": """
            update {sessions_table} set {disconnected} {sessions_status_column} = $2
            where {sessions_id_column} = $1
            returning {session_written}
        """,
    },
)


def shape_of(names: Mapping[str, Any]) -> Shape:
    """The application that the vars describe.

    Raises:
        ConfigurationError: the simulator plays no such application.
    """
    shape = SESSION_PER_LOGIN if names["sessions_logout_at_column"] is not None else ROW_PER_AGENT
    for var, value in names.items():
        is_name = isinstance(value, str)
        may_be_null = var in OPTIONAL or var in shape.without
        if var.endswith("_column") and not is_name and not (value is None and may_be_null):
            raise ConfigurationError(
                f"the simulator cannot play this application: the var {var} is no name of a column",
                "map a plain column; only the role, the two marks of agents, and both login and logout may be"
                " null",
            )
    if any(isinstance(names[var], str) for var in shape.without):
        raise ConfigurationError(
            "the simulator cannot play this application: it has a login and no logout",
            f"set {' and '.join(_LOG_IN_AND_OUT)} both to columns, or both to null",
        )
    return shape
