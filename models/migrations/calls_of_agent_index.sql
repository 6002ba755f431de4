-- An agent's latest calls.
{%- set columns = app_columns('call_sessions') %}
{{ declared_index(
    table='call_sessions',
    is_wanted=is_indexed('call_sessions', [
        'calls_agent_id_column', 'calls_started_at_column', 'calls_connected_at_column', 'calls_ended_at_column'
    ]),
    name='rollcall_calls_of_agent',
    keys=[key_column('calls_agent_id_column'), '(' ~ call_moved_at(columns) ~ ')'],
    former_keys=[key_column('calls_agent_id_column'), '(' ~ unguarded_call_moved_at(columns) ~ ')'],
    predicate=none,
    reason='The latest calls of one agent are found without reading the history'
) }}
