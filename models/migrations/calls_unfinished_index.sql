-- Which calls are live, or should be over and are not.
{{ declared_index(
    table='call_sessions',
    name='rollcall_unfinished_calls',
    keys=[quoted(var('calls_agent_id_column'))],
    predicate=call_is_unfinished(app_columns('call_sessions')),
    reason='Live calls are found without reading the history'
) }}
