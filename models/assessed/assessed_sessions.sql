-- One row per open session with one boolean per rule: session_findings, and the rules that need the whole floor.
with calls_in_use as (
    select
        current_call_id,
        count(*) as sessions_on_call
    from {{ ref('open_sessions') }}
    where current_call_id is not null
    group by current_call_id
),

with_heartbeats as (
    select
        s.session_id,
        s.agent_id,
        s.status,
        s.current_call_id,
        s.login_at,
        s.last_activity_at,
        s.last_heartbeat_at,
        s.device_connected,
        s.max_concurrent_calls,
        s.agent_is_active,
        s.agent_role,
        s.agent_is_ai,
        s.agents_live_calls,
        s.call_is_live,
        s.last_seen_at,
        s.live_call_id,
        s.abandoned_session,
        s.orphaned_call_reference,
        s.invalid_on_call,
        s.session_of_inactive_agent,
        s.duplicate_open_session,
        s.open_but_offline,
        s.live_call_not_on_call,
        s.call_of_another_agent,
        s.invalid_capacity,
        s.unknown_session_status,
        s.activity_in_future,
        s.extreme_time,
        s.no_sign_of_life,
        s.unknown_activity,
        s.unknown_agent,
        coalesce(calls_in_use.sessions_on_call, 0) as sessions_on_call,
        s.status in ({{ literals(working_statuses()) }}) as is_working,
        s.status in ({{ literals(working_statuses()) }}) and not s.abandoned_session as should_send_heartbeats,
        coalesce(s.last_heartbeat_at >= s.present_since, false) as has_fresh_heartbeat
    from {{ ref('session_findings') }} as s
    left join calls_in_use on calls_in_use.current_call_id = s.current_call_id
),

floor as (
    select
        session_id,
        agent_id,
        status,
        current_call_id,
        login_at,
        last_activity_at,
        last_heartbeat_at,
        device_connected,
        max_concurrent_calls,
        agent_is_active,
        agent_role,
        agent_is_ai,
        agents_live_calls,
        call_is_live,
        last_seen_at,
        live_call_id,
        abandoned_session,
        orphaned_call_reference,
        invalid_on_call,
        session_of_inactive_agent,
        duplicate_open_session,
        open_but_offline,
        live_call_not_on_call,
        call_of_another_agent,
        invalid_capacity,
        unknown_session_status,
        activity_in_future,
        extreme_time,
        no_sign_of_life,
        unknown_activity,
        unknown_agent,
        sessions_on_call,
        is_working,
        should_send_heartbeats,
        has_fresh_heartbeat,
        count(*) filter (where should_send_heartbeats and has_fresh_heartbeat) over ()
        >= greatest(
            {{ var('heartbeat_feed_min_share') }} * count(*) filter (where should_send_heartbeats) over (),
            1
        )
            as heartbeat_feed_is_alive
    from with_heartbeats
)

select
    s.session_id,
    s.agent_id,
    s.status,
    s.current_call_id,
    s.login_at,
    s.last_activity_at,
    s.last_heartbeat_at,
    s.device_connected,
    s.max_concurrent_calls,
    s.agent_is_active,
    s.agent_role,
    s.agent_is_ai,
    s.agents_live_calls,
    s.last_seen_at,
    s.live_call_id,
    s.is_working,
    s.has_fresh_heartbeat,
    s.abandoned_session,
    s.orphaned_call_reference,
    s.invalid_on_call,
    s.session_of_inactive_agent,
    s.duplicate_open_session,
    s.open_but_offline,
    s.live_call_not_on_call,
    {{ shared_call('s') }} as shared_call,
    s.call_of_another_agent,
    s.invalid_capacity,
    {{ device_lost('s') }} as device_lost,
    {{ heartbeat_feed('s') }} as heartbeat_feed,
    s.unknown_session_status,
    s.activity_in_future,
    s.extreme_time,
    s.no_sign_of_life,
    s.unknown_activity,
    s.unknown_agent
from floor as s
