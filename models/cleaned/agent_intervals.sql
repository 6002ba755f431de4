-- One row per agent and 15 minutes in which the agent had an open session or a call.
-- depends_on: {{ ref('build_days') }}
select
    agent_id,
    interval_start,
    local_start,
    business_day,
    observed_seconds,
    logged_in_seconds,
    available_seconds,
    on_call_seconds,
    break_seconds,
    after_call_seconds,
    ghost_seconds,
    ghost_available_seconds,
    calls_offered,
    calls_answered,
    calls_missed,
    calls_missed_as_ghost,
    talk_seconds,
    {{ occupancy('on_call_seconds', 'after_call_seconds', 'available_seconds') }} as occupancy
from {{ ref('built_agent_intervals') }}
