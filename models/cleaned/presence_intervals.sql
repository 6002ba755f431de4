-- One row per open session and interval with one state, as the unattended runs saw it. What goes on and what has ended
-- are two parts, so that a filter on `valid_to` finds its rows by an index.
select
    p.session_id,
    p.agent_id,
    p.status,
    p.presence,
    p.reasons = '{}' as is_routable,
    p.reasons,
    p.has_live_call,
    p.valid_from,
    p.valid_to,
    (
        select max(l.look_at)
        from {{ ref('presence_looks') }} as l
        where l.look_at >= p.valid_from
            and l.look_at <= p.valid_to
            and l.look_at < p.ended_by
    ) as last_look_at,
    greatest(
        (
            select {{ seconds_between('l.previous_at', 'l.look_at') }}::bigint
            from {{ ref('presence_looks') }} as l
            where l.look_at = p.recorded_by
        ),
        (
            select {{ seconds_between('l.previous_at', 'l.look_at') }}::bigint
            from {{ ref('presence_looks') }} as l
            where l.look_at = p.ended_by
        )
    ) as observed_every_seconds
from {{ ref('presence') }} as p
where p.superseded_by is null
    and p.valid_to < 'infinity'

union all

select
    p.session_id,
    p.agent_id,
    p.status,
    p.presence,
    p.reasons = '{}' as is_routable,
    p.reasons,
    p.has_live_call,
    p.valid_from,
    null::timestamptz as valid_to,
    (select max(l.look_at) from {{ ref('presence_looks') }} as l) as last_look_at,
    greatest(
        (
            select {{ seconds_between('l.previous_at', 'l.look_at') }}::bigint
            from {{ ref('presence_looks') }} as l
            where l.look_at = p.recorded_by
        ),
        (
            select {{ seconds_between('l.previous_at', 'l.look_at') }}::bigint
            from {{ ref('presence_looks') }} as l
            order by l.look_at desc
            limit 1
        )
    ) as observed_every_seconds
from {{ ref('presence') }} as p
where p.superseded_by is null
    and p.valid_to = 'infinity'
