{{ config(meta={'security_barrier': true}) }}
-- One row per agent whom an inbound call may reach now. The flag route_by_heartbeat, read at query time, decides
-- what it takes: by status alone as the application always did, or a fresh heartbeat, a connected device and free
-- capacity as well. An abandoned session, and that of a deactivated agent, is in neither.
-- read once: open_sessions
with flag as (
    {{ route_by_heartbeat() }}
),

candidates as (
    select
        s.agent_id,
        s.session_id,
        s.last_seen_at,
        coalesce(s.max_concurrent_calls, 1) - s.agents_live_calls as free_call_slots,
        s.has_fresh_heartbeat and coalesce(s.device_connected, false) as is_heard
    from {{ ref('routing_sessions') }} as s
    where s.status in ({{ literals(available_statuses()) }})
        and s.agent_is_active
        and not s.agent_is_ai
        and s.agent_role in ({{ literals(var('agent_roles')) }})
        and not s.abandoned_session
        and not s.duplicate_open_session
        and not s.unknown_agent
)

select
    c.agent_id,
    c.session_id,
    {{ ordinary_time('c.last_seen_at') }} as last_seen_at,
    greatest(c.free_call_slots, 0) as free_call_slots,
    case when flag.is_on then 'heartbeat' else 'status' end as routed_by
from candidates as c
cross join flag
where not flag.is_on
    or (c.is_heard and c.free_call_slots > 0)
