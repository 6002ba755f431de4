-- the linter cannot follow the conditions in a macro:
-- noqa: disable=LT02
{#
    One row of contradicting_calls: how many calls contradict that no open session shows life. The calls of the agents of
    open sessions are counted only when none does. Where activity is not mapped, the sessions that sent a heartbeat are the
    feed. at_most: SQL of a number from which on no more are counted, so that PostgreSQL expects a short scan; or none.
    by_agent: whether the calls are looked up agent by agent, which the index rollcall_calls_of_agent serves.
#}
{% macro calls_against_silence(at_most=none, by_agent=false) -%}
with feed as (
    select
        exists(
            select 1
            from {{ ref('open_sessions') }}
            {{ 'where last_heartbeat_at is not null' if not is_mapped('sessions_last_activity_column') }}
        ) as has_open_sessions,
        exists(
            select 1
            from {{ ref('open_sessions') }} as s
            cross join {{ ref('clock') }} as c
            -- neither an extreme time nor one reading of an ambiguous hour proves that the feed works
            where
                greatest({{ ordinary_time('s.earliest_activity_at') }}, {{ ordinary_time('s.earliest_heartbeat_at') }})
                >= c.abandoned_before
        ) as shows_life
)

select
    coalesce(
        nullif(current_setting('rollcall.contradicting_calls', true), '')::bigint,
        case
            when shows_life or not has_open_sessions then 0
            else (
                select count(*)
                from (
                    {% if by_agent %}
                    select a.agent_id
                    from (
                        select s.agent_id
                        from {{ ref('open_sessions') }} as s
                        group by s.agent_id
                    ) as a
                    cross join {{ ref('clock') }} as c
                    cross join lateral (
                        select calls.agent_id
                        from {{ ref('stg_call_sessions') }} as calls
                        where calls.agent_id = a.agent_id
                            and calls.moved_at >= c.abandoned_before
                            and {{ call_proves_life_at('calls') }} >= c.abandoned_before
                        -- agent by agent: the index has the agent first
                        offset 0
                    ) as looked_up
                    {% else %}
                    select calls.agent_id
                    from {{ ref('stg_call_sessions') }} as calls
                    cross join {{ ref('clock') }} as c
                    where {{ call_proves_life_at('calls') }} >= c.abandoned_before
                        and calls.agent_id in (
                            select s.agent_id
                            from {{ ref('open_sessions') }} as s
                        )
                    {% endif %}
                    {% if at_most is not none %}
                    limit ceil({{ at_most }})::bigint
                    {% endif %}
                ) as counted
            )
        end
    ) as contradicting_calls
from feed
{%- endmacro %}
