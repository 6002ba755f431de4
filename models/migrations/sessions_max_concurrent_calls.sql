-- How many calls the agent may have at once.
{{ declared_column(
    table='agent_sessions',
    column=var('sessions_max_concurrent_calls_column'),
    type='integer',
    default='1',
    reason='Free capacity can only be told when it is known how many calls an agent may have'
) }}
union all
{{ declared_comment(
    table='agent_sessions',
    column=var('sessions_max_concurrent_calls_column'),
    comment='How many calls the agent may have at once. Added by Rollcall.'
) }}
