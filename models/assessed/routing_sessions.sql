-- One row per open session of each agent whose newest one is available, with its findings: what decides about a call.
-- The linter would order what has no order:
-- noqa: disable=AM09
{#- dbt has to know each reference before it is known whether the calls are in a view -#}
{%- if not execute %}{{ ref('read_calls') }}{% endif %}

with of_available_agents as not materialized (
    select s.*
    from {{ ref('open_sessions') }} as s
    where s.agent_id in (
            select newest.agent_id
            from {{ ref('open_sessions') }} as newest
            where newest.recency = 1
                and newest.status in ({{ literals(available_statuses()) }})
        )
),

evidence as not materialized (
    {{ evidence_of_sessions('of_available_agents', in_one_pass=not calls_are_looked_up()) }}
),

findings as not materialized (
    {{ findings_on_sessions('evidence', ref('feed_of_views')) }}
)

select
    f.*,
    {{ has_fresh_heartbeat('f') }} as has_fresh_heartbeat
from findings as f
