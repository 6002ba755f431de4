-- One row per declared change in the order of execution, with its state in the catalogue. A change that is not
-- listed here does not exist.
{%- set changes = [
    ref('rollcall_schemas'),
    ref('sessions_last_heartbeat'),
    ref('sessions_device_connected'),
    ref('sessions_max_concurrent_calls'),
    ref('sessions_open_index'),
    ref('calls_unfinished_index'),
    ref('calls_of_agent_index'),
] %}
{% for change in changes %}
    select
        {{ loop.index }} as position,
        kind,
        object_name,
        state,
        statement,
        reason,
        lock,
        in_transaction
    from {{ change }}
    {{ "union all" if not loop.last }}
{% endfor %}
