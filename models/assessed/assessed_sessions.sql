-- One row per open session with one boolean per rule: session_findings, and the rules that need all open sessions.
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
        s.*,
        coalesce(calls_in_use.sessions_on_call, 0) as sessions_on_call,
        s.status in ({{ literals(working_statuses()) }}) as is_working,
        s.status in ({{ literals(working_statuses()) }}) and not s.abandoned_session as should_send_heartbeats,
        {{ has_fresh_heartbeat('s') }} as has_fresh_heartbeat
    from {{ ref('session_findings') }} as s
    left join calls_in_use on calls_in_use.current_call_id = s.current_call_id
),

with_feed as (
    select
        s.*,
        {{ enough_heartbeats(
            'count(*) filter (where s.should_send_heartbeats and s.has_fresh_heartbeat) over ()',
            'count(*) filter (where s.should_send_heartbeats) over ()'
        ) }} as heartbeat_feed_is_alive
    from with_heartbeats as s
)

select
    s.*,
    {{ shared_call('s') }} as shared_call,
    {{ device_lost('s') }} as device_lost,
    {{ heartbeat_feed('s') }} as heartbeat_feed
from with_feed as s
