-- One row per 15 minutes of a built day, for the whole call centre: inbound calls by the time at which they began.
-- A row that an earlier version built does not say how many waits are known, so all that comes of waits is null there.
-- The linter would order the columns, but a new one is the last of a view that is replaced:
-- noqa: disable=ST06
-- depends_on: {{ ref('build_days') }}
with waits as (
    select
        q.*,
        {{ calls_of_service_level('q') }} as calls_of_service_level,
        case when q.calls_answered_with_known_wait is not null then q.calls_answered_in_time end as known_in_time,
        case when q.calls_answered_with_known_wait is not null then q.wait_seconds_of_answered end as known_wait_seconds
    from {{ ref('built_queue_intervals') }} as q
)

select
    interval_start,
    local_start,
    business_day,
    observed_seconds,
    calls_offered,
    calls_answered,
    calls_abandoned,
    known_in_time as calls_answered_in_time,
    calls_missed_with_ghost_available,
    known_wait_seconds / nullif(calls_answered_with_known_wait, 0) as average_speed_of_answer,
    known_in_time::numeric / nullif(calls_of_service_level, 0) as service_level,
    known_wait_seconds as wait_seconds_of_answered,
    calls_answered_with_known_wait,
    calls_of_service_level
from waits
