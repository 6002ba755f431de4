{#
    Rows of looked_up_sessions for a unit test: sound sessions since 08:00, seen at 11:00 in a call, but for what the test
    says.
    rows: SQL text such as (values ('a', 'break')) as s (session_id, status); see sound_evidence.
#}
{% macro sound_assessed_sessions(rows) -%}
select found.*
from (
    select
        'a session' as session_id,
        1 as agent_id,
        {{ literal(var('available_status')) }} as status,
        null::text as current_call_id,
        timestamptz '2026-03-01 08:00Z' as login_at,
        timestamptz '2026-03-01 08:00Z' as own_sign_of_life_at,
        timestamptz '2026-03-01 11:00Z' as last_seen_at,
        null::text as live_call_id,
        false as is_doubled,
        false as is_present,
        {{ every_rule('false', 'assessed_sessions') }}
) as sound
cross join lateral (
    select
        session_id,
        agent_id,
        status,
        current_call_id,
        login_at,
        own_sign_of_life_at,
        last_seen_at,
        live_call_id,
        is_doubled,
        is_present,
        {{ rules_of('assessed_sessions') | join(', ') }}
    from {{ rows }}
) as found
{%- endmacro %}
