-- One row per agent and week with time on calls or available.
select
    agent_id,
    date_trunc('week', business_day)::date as week,
    sum(logged_in_seconds) / 3600 as logged_in_hours,
    sum(ghost_seconds) / 3600 as ghost_hours,
    sum(on_call_seconds) / sum(on_call_seconds + available_seconds) as occupancy_of_week
from {{ ref('rollcall', 'agent_days') }}
group by agent_id, week
having sum(on_call_seconds + available_seconds) > 0
