-- One row: how often each rule is violated, exactly, and the facts beside it.
with sessions as (
    select
        count(*) as open_sessions,
        count(*) filter (where is_working) as working_sessions,
        count(*) filter (
            where abandoned_session or orphaned_call_reference or invalid_on_call
        ) as pending_changes,
        count(*) filter (where abandoned_session) as abandoned_session,
        count(*) filter (where orphaned_call_reference) as orphaned_call_reference,
        count(*) filter (where invalid_on_call) as invalid_on_call,
        count(*) filter (where session_of_inactive_agent) as session_of_inactive_agent,
        count(*) filter (where duplicate_open_session) as duplicate_open_session,
        count(*) filter (where open_but_offline) as open_but_offline,
        count(*) filter (where live_call_not_on_call) as live_call_not_on_call,
        count(*) filter (where shared_call) as shared_call,
        count(*) filter (where call_of_another_agent) as call_of_another_agent,
        count(*) filter (where invalid_capacity) as invalid_capacity,
        count(*) filter (where device_lost) as device_lost,
        count(*) filter (where heartbeat_feed) as heartbeat_feed,
        count(*) filter (where unknown_session_status) as unknown_session_status,
        count(*) filter (where activity_in_future) as activity_in_future,
        count(*) filter (where extreme_time) as extreme_time,
        count(*) filter (where no_sign_of_life) as no_sign_of_life,
        count(*) filter (where unknown_activity) as unknown_activity,
        count(*) filter (where unknown_agent) as unknown_agent
    from {{ ref('assessed_sessions') }}
),

calls as (
    select
        count(*) filter (where unknown_call_status) as unknown_call_status,
        count(*) filter (where zombie_call) as zombie_call,
        count(*) filter (where ended_call_still_live) as ended_call_still_live
    from {{ ref('assessed_calls') }}
),

agents as (
    select
        count(*) filter (where a.is_active) as active_agents,
        {{ no_active_agents('a') }}::integer as no_active_agents
    from {{ ref('stg_agents') }} as a
)

select
    clock.judged_at,
    clock.current_at,
    clock.abandoned_before,
    sessions.open_sessions,
    sessions.working_sessions,
    agents.active_agents,
    sessions.pending_changes,
    sessions.abandoned_session,
    sessions.orphaned_call_reference,
    sessions.invalid_on_call,
    sessions.session_of_inactive_agent,
    sessions.duplicate_open_session,
    sessions.open_but_offline,
    sessions.live_call_not_on_call,
    sessions.shared_call,
    sessions.call_of_another_agent,
    sessions.invalid_capacity,
    sessions.device_lost,
    sessions.heartbeat_feed,
    sessions.unknown_session_status,
    calls.unknown_call_status,
    sessions.activity_in_future,
    sessions.extreme_time,
    sessions.no_sign_of_life,
    sessions.unknown_activity,
    {{ silent_feed('feed') }}::integer as silent_feed,
    sessions.unknown_agent,
    agents.no_active_agents,
    calls.zombie_call,
    calls.ended_call_still_live
from sessions
cross join calls
cross join agents
cross join {{ ref('clock') }} as clock
cross join {{ ref('silent_feed') }} as feed
