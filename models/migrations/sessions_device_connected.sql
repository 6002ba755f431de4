-- Whether the agent's browser has a device connected. No device is declared connected: the first heartbeat says so.
{{ declared_column(
    table='agent_sessions',
    column=var('sessions_device_connected_column'),
    type='boolean',
    default='false',
    reason='A call must not be routed to a session without a connected device'
) }}
union all
{{ declared_comment(
    table='agent_sessions',
    column=var('sessions_device_connected_column'),
    comment='Whether the browser of the agent holds a connected device; heartbeats set it. Added by Rollcall.'
) }}
