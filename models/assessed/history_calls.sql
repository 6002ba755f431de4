-- One row per call that is to be judged, with one boolean per rule of the history suite: all of them, or those that
-- moved since the setting rollcall.history_since and those that are known to fail. What moved is looked up agent by
-- agent, which the index rollcall_calls_of_agent serves; of the two ways the one not asked for is never executed.
-- `offset 0` keeps PostgreSQL from joining the other way round. The linter would order what has no order, and indent
-- `lateral` as if the join went on:
-- noqa: disable=AM09,LT02
with calls as (
    select
        c.call_id,
        c.earliest_started_at,
        c.connected_at,
        c.ended_at
    from {{ ref('stg_call_sessions') }} as c
    where {{ history_since() }} = '-infinity'::timestamptz

    union all

    select moved.*
    from ({{ agents_with_calls() }}) as a
    cross join lateral (
        select
            c.call_id,
            c.earliest_started_at,
            c.connected_at,
            c.ended_at
        from {{ ref('stg_call_sessions') }} as c
        where c.agent_id = a.agent_id
            and c.moved_at >= {{ history_since() }}
        -- agent by agent: one pass over the index would read all of it
        offset 0
    ) as moved
    where {{ history_since() }} > '-infinity'::timestamptz

    union all

    select
        c.call_id,
        c.earliest_started_at,
        c.connected_at,
        c.ended_at
    from {{ ref('stg_call_sessions') }} as c
    where c.agent_id is null
        and c.moved_at >= {{ history_since() }}
        and {{ history_since() }} > '-infinity'::timestamptz

    union all

    select again.*
    from {{ ref('known_calls') }} as known
    cross join lateral (
        select
            c.call_id,
            c.earliest_started_at,
            c.connected_at,
            c.ended_at
        from {{ ref('stg_call_sessions') }} as c
        where c.call_id = known.call_id
            and c.moved_at < {{ history_since() }}
        -- key by key, however many there are
        offset 0
    ) as again
)

select
    c.call_id,
    {{ reversed_call_times('c') }} as reversed_call_times,
    {{ extreme_call_times('c') }} as extreme_call_times
from calls as c
