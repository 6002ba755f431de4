-- One row per hour of the day of the business time zone in which calls were offered in the last report_days: how many
-- were, how many of them were answered within service_level_seconds, and of how many that is known.
select
    extract(hour from b.local_start)::integer as hour_of_day,
    sum(b.calls_offered)::bigint as calls_offered,
    sum(b.calls_answered_in_time)::bigint as calls_answered_in_time,
    sum({{ calls_of_service_level('b') }})::bigint as calls_of_service_level,
    {{ var('service_level_seconds') }}::float8 as within_seconds
from {{ ref('built_queue_intervals') }} as b
cross join {{ ref('clock') }} as clock
where b.business_day > {{ business_time('clock.judged_at') }}::date - {{ whole_days('report_days') }}
    -- a row that an earlier version built does not say how many waits are known
    and b.calls_answered_with_known_wait is not null
group by hour_of_day
having sum({{ calls_of_service_level('b') }}) > 0
order by hour_of_day
