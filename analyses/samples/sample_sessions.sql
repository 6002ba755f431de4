-- What the application's tables say of some sessions, as `--samples` shows it: one row per key. $1: the keys, as text.
-- Times are in UTC; what cannot be a value in Python (an infinite instant) is in JSON only.
{%- set columns = app_columns('agent_sessions') -%}
{%- set key_type = app_column_type(columns, 'sessions_id_column') %}

with wanted as (
    select
        s.session_id,
        s.agent_id,
        s.status,
        s.current_call_id,
        s.is_open,
        s.login_at,
        s.logout_at,
        s.last_activity_at,
        s.last_heartbeat_at,
        s.device_connected,
        s.max_concurrent_calls
    from {{ ref('stg_agent_sessions') }} as s
    where s.session_id = any($1::text[]::{{ key_type }}[])
),

seen as (
    select
        f.session_id,
        f.last_seen_at
    from {{ ref('session_findings') }} as f
    where f.session_id = any($1::text[]::{{ key_type }}[])
)

select
    w.session_id::text as key,
    json_build_object(
        'agent_id', w.agent_id::text,
        'agent_is_active', a.is_active,
        'status', w.status,
        'login_at', w.login_at at time zone 'UTC',
        'logout_at', w.logout_at at time zone 'UTC',
        'last_activity_at', w.last_activity_at at time zone 'UTC',
        'last_heartbeat_at', w.last_heartbeat_at at time zone 'UTC',
        'device_connected', w.device_connected,
        'max_concurrent_calls', w.max_concurrent_calls,
        'last_seen_at', seen.last_seen_at at time zone 'UTC',
        'idle_seconds', round({{ seconds_between('seen.last_seen_at', 'clock.judged_at') }}),
        'current_call_id', w.current_call_id::text,
        'call_status', c.status,
        'call_started_at', c.started_at at time zone 'UTC',
        'call_ended_at', c.ended_at at time zone 'UTC'
    ) as row_values
from wanted as w
cross join {{ ref('clock') }} as clock
left join seen on seen.session_id = w.session_id
left join {{ ref('stg_agents') }} as a on a.agent_id = w.agent_id
left join {{ ref('stg_call_sessions') }} as c on c.call_id = w.current_call_id
