-- name: take back
drop schema if exists rollcall, rollcall_ops cascade;
drop index if exists
    rollcall_open_sessions, rollcall_closed_sessions, rollcall_closed_logins, rollcall_unfinished_calls,
    rollcall_calls_of_agent;
alter table agent_sessions
    drop column if exists last_heartbeat,
    drop column if exists device_connected,
    drop column if exists max_concurrent_calls;
