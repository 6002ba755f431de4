-- One row: is the heartbeat feed alive? Mostly the open sessions' own columns decide it. Sessions that may be abandoned
-- are judged only when the answer depends on them.
with counts as (
    select
        count(*) filter (where s.shows_life) as surely_due,
        count(*) filter (where s.shows_life and s.is_fresh) as surely_fresh,
        count(*) filter (where s.may_be_abandoned) as perhaps_due,
        count(*) filter (where s.may_be_abandoned and s.is_fresh) as perhaps_fresh
    from (
        select
            {{ shows_life_of_its_own('o', 'c.abandoned_before') }} as shows_life,
            {{ may_be_abandoned('o', 'c.abandoned_before') }} as may_be_abandoned,
            coalesce(o.last_heartbeat_at >= c.present_since, false) as is_fresh
        from {{ ref('open_sessions') }} as o
        cross join {{ ref('clock') }} as c
        where o.status in ({{ literals(working_statuses()) }})
    ) as s
)

select
    case
        when {{ enough_heartbeats('n.surely_fresh', 'n.surely_due + n.perhaps_due') }} then true
        when not {{ enough_heartbeats('n.surely_fresh + n.perhaps_fresh', 'n.surely_due') }} then false
        else (
            select
                {{ enough_heartbeats(
                    'n.surely_fresh + count(*) filter (where f.has_fresh_heartbeat)',
                    'n.surely_due + count(*)'
                ) }}
            from {{ ref('looked_up_findings') }} as f
            where f.status in ({{ literals(working_statuses()) }})
                and {{ may_be_abandoned('f', '(select c.abandoned_before from ' ~ ref('clock') ~ ' as c)') }}
                and not f.abandoned_session
        )
    end as heartbeat_feed_is_alive
from counts as n
