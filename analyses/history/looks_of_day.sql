-- One row per look of the last report_presence_hours, oldest first: how many agents were shown available, how many of
-- them had not left, and how many an inbound call could reach. An agent has left only if each of its open sessions is a
-- ghost's: where nothing is proved nothing is claimed. follows_gap: nothing is known of the time before the look.
with looks as (
    select
        l.look_at,
        l.previous_at is null as follows_gap
    from {{ ref('presence_looks') }} as l
    cross join {{ ref('clock') }} as clock
    where l.look_at > clock.judged_at - {{ var('report_presence_hours') }} * interval '1 hour'
        and l.look_at <= clock.judged_at
),

agents as (
    select
        l.look_at,
        p.agent_id,
        bool_or(p.status in ({{ literals(available_statuses()) }})) as is_shown_available,
        bool_or(p.presence <> 'ghost') as is_not_gone,
        bool_or(p.status in ({{ literals(available_statuses()) }}) and p.reasons = '{}') as is_routable
    from looks as l
    join {{ ref('presence') }} as p
        on p.valid_from <= l.look_at
            -- before a gap an interval ends at the last look that saw it
            and (p.valid_to > l.look_at or (p.valid_to = l.look_at and p.ended_by > l.look_at))
    where p.superseded_by is null
        and p.valid_to >= (select min(first.look_at) from looks as first)
    group by l.look_at, p.agent_id
)

select
    l.look_at,
    l.follows_gap,
    count(a.agent_id) filter (where a.is_shown_available) as shown_available,
    count(a.agent_id) filter (where a.is_shown_available and a.is_not_gone) as not_gone,
    count(a.agent_id) filter (where a.is_shown_available and a.is_routable) as routable
from looks as l
left join agents as a on a.look_at = l.look_at
group by l.look_at, l.follows_gap
order by l.look_at
