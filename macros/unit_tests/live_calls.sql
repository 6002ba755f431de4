{#
    Rows of stg_call_sessions for a unit test: calls of agent 1 that ring since 11:30 and prove nothing, but for what
    the test says.
    rows: SQL text such as (values ('a', true)) as c (call_id, has_ended); see sound_evidence.
#}
{% macro live_calls(rows) -%}
select found.*
from (
    select
        'a call' as call_id,
        1 as agent_id,
        'ringing' as status,
        timestamptz '2026-03-01 11:30Z' as started_at,
        timestamptz '2026-03-01 11:30Z' as dated_at,
        null::timestamptz as connected_at,
        null::timestamptz as ended_at,
        timestamptz '2026-03-01 11:30Z' as moved_at,
        timestamptz '2026-03-01 11:30Z' as last_changed_at,
        null::timestamptz as sign_of_life_at,
        null::timestamptz as latest_possible_at,
        false as has_ended,
        false as has_extreme_end,
        true as has_live_status,
        true as has_known_status,
        true as is_unfinished
) as ringing
cross join lateral (
    select
        call_id,
        agent_id,
        status,
        started_at,
        dated_at,
        connected_at,
        ended_at,
        moved_at,
        last_changed_at,
        sign_of_life_at,
        latest_possible_at,
        has_ended,
        has_extreme_end,
        has_live_status,
        has_known_status,
        is_unfinished
    from {{ rows }}
) as found
{%- endmacro %}
