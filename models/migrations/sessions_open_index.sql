-- Who is open, and who is an agent's newest: by agent, open sessions only. No column here is one that a heartbeat
-- writes, so heartbeats stay heap-only (HOT).
{{ declared_index(
    table='agent_sessions',
    name='rollcall_open_sessions',
    keys=[
        quoted(var('sessions_agent_id_column')),
        quoted(var('sessions_login_at_column')),
        quoted(var('sessions_id_column')),
    ],
    predicate=quoted(var('sessions_logout_at_column')) ~ ' is null',
    reason='Open sessions are found without reading the history'
) }}
