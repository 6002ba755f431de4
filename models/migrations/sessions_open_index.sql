-- Open sessions only, by agent: finds the open sessions, and the newest one of an agent. A heartbeat writes none of
-- its columns, so heartbeats stay heap-only (HOT).
{{ declared_index(
    table='agent_sessions',
    is_wanted=is_mapped('sessions_logout_at_column') and is_indexed('agent_sessions', [
        'sessions_agent_id_column', 'sessions_login_at_column', 'sessions_logout_at_column'
    ]),
    name='rollcall_open_sessions',
    keys=[
        key_column('sessions_agent_id_column'),
        key_column('sessions_login_at_column'),
        key_column('sessions_id_column'),
    ] | select | list,
    predicate=key_column('sessions_logout_at_column') ~ ' is null',
    reason='Open sessions are found without reading the history'
) }}
