{#
    Rows of session_findings for a unit test: sound sessions with a fresh heartbeat at noon, but for what the test says.
    rows: SQL text such as (values ('a', 'break')) as s (session_id, status); see sound_evidence.
#}
{% macro sound_findings(rows) -%}
select found.*
from (
    select
        'a session' as session_id,
        1 as agent_id,
        {{ literal(var('available_status')) }} as status,
        null::text as current_call_id,
        timestamptz '2026-03-01 07:00Z' as login_at,
        timestamptz '2026-03-01 12:00Z' as last_activity_at,
        timestamptz '2026-03-01 12:00Z' as last_heartbeat_at,
        true as device_connected,
        1 as max_concurrent_calls,
        true as agent_is_active,
        {{ literal(var('agent_roles')[0]) }} as agent_role,
        false as agent_is_ai,
        0 as agents_live_calls,
        false as call_exists,
        null::text as call_status,
        null::timestamptz as call_started_at,
        null::timestamptz as call_ended_at,
        false as call_is_live,
        timestamptz '2026-03-01 12:00Z' as last_seen_at,
        timestamptz '2026-03-01 12:00Z' as latest_possible_at,
        null::text as live_call_id,
        timestamptz '2026-03-01 12:00Z' as judged_at,
        timestamptz '2026-03-01 11:55Z' as present_since,
        true as is_present,
        {{ every_rule('false', 'session_findings') }}
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
        agent_is_active,
        agent_role,
        agent_is_ai,
        agents_live_calls,
        call_exists,
        call_status,
        call_started_at,
        call_ended_at,
        call_is_live,
        last_seen_at,
        latest_possible_at,
        live_call_id,
        judged_at,
        present_since,
        is_present,
        {{ rules_of('session_findings') | join(', ') }}
    from {{ rows }}
) as found
{%- endmacro %}
