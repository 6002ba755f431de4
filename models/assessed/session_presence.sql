-- One row per open session as a look records it: its status, whether its agent is there, why no inbound call may reach
-- it, and whether it has a live call. Keys are text, as in the ledger.
-- read once: clock, open_sessions
-- The linter would order what has no order:
-- noqa: disable=AM09
{#- dbt has to know each reference before it is known whether the calls are in a view -#}
{%- if not execute %}{{ ref('read_calls') }}{% endif %}

with flag as (
    {{ route_by_heartbeat() }}
),

all_open as not materialized (
    select s.*
    from {{ ref('open_sessions') }} as s
),

evidence as not materialized (
    {{ evidence_of_sessions('all_open', in_one_pass=not calls_are_looked_up()) }}
),

findings as not materialized (
    {{ findings_on_sessions('evidence', ref('feed_of_views')) }}
),

sessions as (
    select
        f.*,
        {{ routing_facts('f') }}
    from findings as f
)

select
    s.session_id::text as session_id,
    s.agent_id::text as agent_id,
    s.status,
    case
        when s.abandoned_session then 'ghost'
        when s.activity_in_future or s.extreme_time then 'unknown'
        when s.last_seen_at >= clock.abandoned_before then 'there'
        when s.call_is_live and s.call_connected_at is not null then 'there' -- a long conversation
        else 'unknown' -- rung, or held by a blocking finding: no proof either way
    end as presence,
    array_remove(
        array[
            case when s.recency > 1 then 'newer_session' end,
            case when not s.agent_is_active then 'agent_not_active' end,
            case when s.agent_is_ai then 'agent_is_ai' end,
            case when (s.agent_role in ({{ literals(var('agent_roles')) }})) is not true then 'other_role' end,
            {{ reasons_against_routing('s', 'flag') }}
        ],
        null
    ) as reasons,
    s.has_live_call,
    {{ ordinary_time('s.login_at') }} as login_at,
    {{ ordinary_time('s.last_seen_at') }} as last_seen_at
from sessions as s
cross join flag
cross join {{ ref('clock') }} as clock
{{ 'where not s.has_ambiguous_key' if not keys_are_indexed() }}
