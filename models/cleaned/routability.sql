-- One row per active agent: whether an inbound call may reach the agent now, and all reasons why not. The flag
-- route_by_heartbeat decides as in routable_agents.
{#- dbt has to know each reference before it is known whether the calls are in a view -#}
{%- if not execute %}{{ ref('read_calls') }}{% endif %}

with flag as (
    {{ route_by_heartbeat() }}
),

agents as (
    select agent_id
    from {{ ref('stg_agents') }}
    where is_active
        and not is_ai_agent
        and role in ({{ literals(var('agent_roles')) }})
),

of_all_agents as not materialized (
    select s.*
    from {{ ref('open_sessions') }} as s
),

evidence as not materialized (
    {{ evidence_of_sessions('of_all_agents', in_one_pass=not calls_are_looked_up()) }}
),

findings as not materialized (
    {{ findings_on_sessions('evidence', ref('feed_of_views')) }}
),

newest_sessions as (
    select
        s.*,
        {{ routing_facts('s') }}
    from findings as s
    where s.recency = 1
),

judged as (
    select
        agents.agent_id,
        s.session_id,
        s.status,
        {{ ordinary_time('s.last_seen_at') }} as last_seen_at,
        s.live_call_id,
        case when s.is_logged_in then greatest(s.free_call_slots, 0) end as free_call_slots,
        case when flag.is_on then 'heartbeat' else 'status' end as routed_by,
        array_remove(
            array[
                case when s.is_logged_in is null then 'not_logged_in' end,
                {{ reasons_against_routing('s', 'flag') }}
            ],
            null
        ) as reasons
    from agents
    cross join flag
    left join newest_sessions as s on s.agent_id = agents.agent_id
)

select
    agent_id,
    reasons,
    routed_by,
    session_id,
    status,
    last_seen_at,
    live_call_id,
    free_call_slots,
    reasons = '{}' as is_routable
from judged
