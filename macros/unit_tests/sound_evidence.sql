{#
    Rows of session_evidence for a unit test: sound sessions, idle since 11:00, but for what the test says. Below, an
    unqualified name finds the column of the test's rows where they have one and the sound one otherwise.
    rows: SQL text such as (values ('a', 'break')) as s (session_id, status).
#}
{% macro sound_evidence(rows) -%}
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
        true as device_connected,
        1 as max_concurrent_calls,
        1 as recency,
        true as agent_exists,
        true as agent_is_active,
        {{ literal(var('agent_roles')[0]) }} as agent_role,
        false as agent_is_ai,
        0 as agents_live_calls,
        false as call_exists,
        null::text as call_status,
        null::integer as call_agent_id,
        null::timestamptz as call_started_at,
        null::timestamptz as call_connected_at,
        null::timestamptz as call_ended_at,
        true as call_has_known_status,
        false as call_is_live,
        false as agents_call_has_extreme_end,
        timestamptz '2026-03-01 11:00Z' as last_seen_at,
        timestamptz '2026-03-01 11:00Z' as last_seen_without_reference_at,
        timestamptz '2026-03-01 11:00Z' as latest_possible_at,
        null::text as live_call_id,
        false as has_live_call,
        false as agent_has_live_call,
        null::timestamptz as calls_moved_at
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
        device_connected,
        max_concurrent_calls,
        recency,
        agent_exists,
        agent_is_active,
        agent_role,
        agent_is_ai,
        agents_live_calls,
        call_exists,
        call_status,
        call_agent_id,
        call_started_at,
        call_connected_at,
        call_ended_at,
        call_has_known_status,
        call_is_live,
        agents_call_has_extreme_end,
        last_seen_at,
        last_seen_without_reference_at,
        latest_possible_at,
        live_call_id,
        has_live_call,
        agent_has_live_call,
        calls_moved_at
    from {{ rows }}
) as found
{%- endmacro %}
