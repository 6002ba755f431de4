-- When the agent's browser was last heard. It has the type of last_activity; null means never.
{{ declared_column(
    table='agent_sessions',
    column=var('sessions_last_heartbeat_column'),
    type=app_column_type(app_columns('agent_sessions'), 'sessions_last_activity_column'),
    default=none,
    reason='Heartbeats need a column of their own: last_activity alone cannot tell a present agent from a busy one'
) }}
union all
{{ declared_comment(
    table='agent_sessions',
    column=var('sessions_last_heartbeat_column'),
    comment='When the browser of the agent was last heard; null: never. Added by Rollcall.'
) }}
