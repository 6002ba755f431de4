-- One row per built and observed day of the last report_days, oldest first: the hours in which agents were shown in a
-- working status and were gone, and whether the first clean-up was on it or before it. A day without looks has no row.
with first_clean_up as (
    select {{ business_time('min(c.changed_at)') }}::date as business_day
    from {{ ref('changes') }} as c
    where c.remedy = 'close'
),

ghosts as (
    select
        b.business_day,
        sum(b.ghost_seconds) / 3600 as ghost_hours
    from {{ ref('built_agent_intervals') }} as b
    group by b.business_day
)

select
    d.business_day,
    coalesce(g.ghost_hours, 0)::float8 as ghost_hours,
    (d.observed_seconds / 3600)::float8 as observed_hours,
    coalesce(d.business_day >= f.business_day, false) as is_after_first_clean_up
from {{ ref('built_days') }} as d
cross join {{ ref('clock') }} as clock
cross join first_clean_up as f
left join ghosts as g on g.business_day = d.business_day
where d.observed_seconds > 0
    and d.business_day > {{ business_time('clock.judged_at') }}::date - {{ whole_days('report_days') }}
order by d.business_day
