-- One row per open session, its agent's newest first (recency 1).
-- Partitioned by agent alone, so that a filter on agents reaches the table: a batch of the clean-up reads its own
-- agents' sessions and no others.
select
    session_id,
    agent_id,
    status,
    current_call_id,
    login_at,
    last_activity_at,
    last_heartbeat_at,
    earliest_activity_at,
    earliest_heartbeat_at,
    latest_possible_at,
    device_connected,
    max_concurrent_calls,
    greatest(login_at, last_activity_at, last_heartbeat_at) as own_sign_of_life_at,
    max(login_at) over (partition by agent_id) as newest_login_at,
    row_number() over (partition by agent_id order by login_at desc nulls last, session_id desc) as recency
from {{ ref('stg_agent_sessions') }}
where is_open
