{#
    Rows of open_sessions for a unit test: sound sessions, idle since 11:00, but for what the test says.
    rows: SQL text such as (values ('a', 'break')) as s (session_id, status); see sound_evidence.
#}
{% macro sound_open_sessions(rows) -%}
select found.*
from (
    select
        'a session' as session_id,
        1 as agent_id,
        {{ literal(var('available_status')) }} as status,
        null::text as current_call_id,
        timestamptz '2026-03-01 07:00Z' as login_at,
        timestamptz '2026-03-01 11:00Z' as last_activity_at,
        null::timestamptz as last_heartbeat_at,
        timestamptz '2026-03-01 11:00Z' as earliest_activity_at,
        null::timestamptz as earliest_heartbeat_at,
        timestamptz '2026-03-01 11:00Z' as latest_possible_at,
        true as device_connected,
        1 as max_concurrent_calls,
        timestamptz '2026-03-01 11:00Z' as own_sign_of_life_at,
        timestamptz '2026-03-01 07:00Z' as newest_login_at,
        1 as recency
) as sound
cross join lateral (
    select
        session_id,
        agent_id,
        status,
        current_call_id,
        login_at,
        last_activity_at,
        last_heartbeat_at,
        earliest_activity_at,
        earliest_heartbeat_at,
        latest_possible_at,
        device_connected,
        max_concurrent_calls,
        own_sign_of_life_at,
        newest_login_at,
        recency
    from {{ rows }}
) as found
{%- endmacro %}
