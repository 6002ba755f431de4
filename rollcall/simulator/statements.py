"""The application's statement for each event of docs/domain.md, with configured names."""

from __future__ import annotations

__all__ = ["STATEMENTS"]

STATEMENTS = {
    "find_agent": "select {agents_id_column}::text from {agents_table} where email = $1",
    "todays_session": """
        select {sessions_id_column}::text
        from {sessions_table}
        where {sessions_agent_id_column} = $1
            and {sessions_login_at_column} > {login_now} - make_interval(secs => $2)
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
    "heartbeat": """
        update {sessions_table}
        set {heartbeats} {sessions_last_activity_column} = {session_now}
        where {sessions_agent_id_column} = $1 and {sessions_logout_at_column} is null
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
    "log_out": """
        update {sessions_table}
        set {sessions_status_column} = $2, {sessions_logout_at_column} = {logout_now}
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
        select s.{sessions_id_column}::text, s.{sessions_agent_id_column}::text
        from {sessions_table} as s
        join {agents_table} as a on a.{agents_id_column} = s.{sessions_agent_id_column}
        where s.{sessions_status_column} = $1
            and s.{sessions_logout_at_column} is null
            and a.{agents_is_active_column}
            and s.{sessions_agent_id_column} <> all($2::{session_agent_keys}[])
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
        select {sessions_id_column}::text, {sessions_agent_id_column}::text,
            {sessions_logout_at_column} is null, {sessions_status_column}::text,
            {sessions_call_id_column}::text, xmin::text::bigint,
            extract(epoch from clock_timestamp())::float8
        from {sessions_table}
        where {sessions_agent_id_column} = any($1::{session_agent_keys}[])
    """,
}
