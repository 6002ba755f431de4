-- One row per call of the application, with its times in UTC, waiting and talking in seconds that are never negative,
-- and in `defects` what is wrong with it.
select
    call_id,
    agent_id,
    direction,
    status,
    is_live,
    was_answered,
    started_at,
    connected_at,
    ended_at,
    wait_seconds,
    talk_seconds,
    defects
from {{ ref('timed_calls') }}
