-- One row per 15 minutes of a built day, for the whole call centre: inbound calls by the time at which they began.
-- The linter would order the columns, but a new one is the last of a view that is replaced:
-- noqa: disable=ST06
-- depends_on: {{ ref('build_days') }}
select
    interval_start,
    local_start,
    business_day,
    observed_seconds,
    calls_offered,
    calls_answered,
    calls_abandoned,
    calls_answered_in_time,
    calls_missed_with_ghost_available,
    wait_seconds_of_answered / nullif(calls_answered, 0) as average_speed_of_answer,
    calls_answered_in_time::numeric / nullif(calls_offered, 0) as service_level,
    wait_seconds_of_answered
from {{ ref('built_queue_intervals') }}
