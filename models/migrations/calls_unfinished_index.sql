-- Which calls are live, or should be over and are not.
{{ declared_index(
    table='call_sessions',
    is_wanted=is_indexed('call_sessions', ['calls_agent_id_column', 'calls_status_column', 'calls_ended_at_column']),
    name='rollcall_unfinished_calls',
    keys=[key_column('calls_agent_id_column')],
    predicate=call_is_unfinished(app_columns('call_sessions')),
    reason='Live calls are found without reading the history'
) }}
