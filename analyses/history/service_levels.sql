-- One row per hour of the day of the business time zone in which calls were offered in the last report_days: how many
-- were, and how many of them were answered within service_level_seconds.
select
    extract(hour from b.local_start)::integer as hour_of_day,
    sum(b.calls_offered)::bigint as calls_offered,
    sum(b.calls_answered_in_time)::bigint as calls_answered_in_time,
    {{ var('service_level_seconds') }}::float8 as within_seconds
from {{ ref('built_queue_intervals') }} as b
cross join {{ ref('clock') }} as clock
where b.business_day > {{ business_time('clock.judged_at') }}::date - {{ whole_days('report_days') }}
group by hour_of_day
having sum(b.calls_offered) > 0
    and count(b.calls_answered_in_time) > 0
order by hour_of_day
