-- One row per open session of each agent whose newest one is available, with its findings: what decides about a call.
-- The calls are looked up by agent, since a view is made after the index and PostgreSQL counts the cost of a branch
-- that is never executed; where no index can serve, they are read as always.
-- The linter would order what has no order:
-- noqa: disable=AM09
{#- dbt has to know each reference before it is known whether the calls are in a view -#}
{%- if not execute %}{{ ref('read_calls') }}{% endif -%}
{%- set is_looked_up = not var('read_only') and is_indexed('call_sessions', [
    'calls_agent_id_column', 'calls_started_at_column', 'calls_connected_at_column', 'calls_ended_at_column'
]) %}

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
    {{ evidence_of_sessions('of_available_agents', in_one_pass=not is_looked_up) }}
),

findings as not materialized (
    {{ findings_on_sessions('evidence', ref('routing_feed')) }}
)

select
    f.*,
    {{ has_fresh_heartbeat('f') }} as has_fresh_heartbeat
from findings as f
