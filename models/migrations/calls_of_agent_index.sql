-- An agent's latest calls.
{%- set columns = app_columns('call_sessions') %}
{{ declared_index(
    table='call_sessions',
    name='rollcall_calls_of_agent',
    keys=[quoted(var('calls_agent_id_column')), '(' ~ call_moved_at(columns) ~ ')'],
    former_keys=[quoted(var('calls_agent_id_column')), '(' ~ unguarded_call_moved_at(columns) ~ ')'],
    predicate=none,
    reason='The latest calls of one agent are found without reading the history'
) }}
