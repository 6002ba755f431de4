-- One row per look of the last report_presence_hours, oldest first: how many agents were shown available, how many of
-- them were there, and how many an inbound call could reach. follows_gap: nothing is known of the time before the look.
with looks as (
    select
        l.look_at,
        l.previous_at is null as follows_gap
    from {{ ref('presence_looks') }} as l
    cross join {{ ref('clock') }} as clock
    where l.look_at > clock.judged_at - {{ var('report_presence_hours') }} * interval '1 hour'
        and l.look_at <= clock.judged_at
),

shown_available as (
    select
        p.agent_id,
        p.presence,
        p.valid_from,
        p.valid_to,
        p.reasons = '{}' as is_routable
    from {{ ref('presence') }} as p
    where p.superseded_by is null
        and p.valid_to > (select min(first.look_at) from looks as first)
        and p.status in ({{ literals(available_statuses()) }})
)

select
    l.look_at,
    l.follows_gap,
    count(distinct s.agent_id) as shown_available,
    count(distinct s.agent_id) filter (where s.presence = 'there') as there,
    count(distinct s.agent_id) filter (where s.is_routable) as routable
from looks as l
left join shown_available as s
    on s.valid_from <= l.look_at
        and s.valid_to > l.look_at
group by l.look_at, l.follows_gap
order by l.look_at
