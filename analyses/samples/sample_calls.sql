-- What the application's tables say of some calls, as `--samples` shows it: one row per key. $1: the keys, as text.
-- Times are in UTC; what cannot be a value in Python (an infinite instant) is in JSON only.
{%- set columns = app_columns('call_sessions') -%}
{%- set key_type = app_column_type(columns, 'calls_id_column') %}

select
    c.call_id::text as key,
    json_build_object(
        'agent_id', c.agent_id::text,
        'status', c.status,
        'direction', c.direction,
        'started_at', c.started_at at time zone 'UTC',
        'connected_at', c.connected_at at time zone 'UTC',
        'ended_at', c.ended_at at time zone 'UTC',
        'age_seconds', round({{ seconds_between('c.started_at', 'clock.judged_at') }})
    ) as row_values
from {{ ref('stg_call_sessions') }} as c
cross join {{ ref('clock') }} as clock
where c.call_id = any($1::text[]::{{ key_type }}[])
