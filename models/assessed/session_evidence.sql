-- One row per open session with everything that a rule may ask of it: its own columns, its agent, the call it
-- refers to and its agent's calls. Calls are looked up by agent for the newest session alone, and only those that
-- moved since the session's own last sign of life or that may still be live.
with sessions as (
    select
        s.session_id,
        s.agent_id,
        s.status,
        s.current_call_id,
        s.login_at,
        s.last_activity_at,
        s.last_heartbeat_at,
        s.latest_possible_at,
        s.device_connected,
        s.max_concurrent_calls,
        s.own_sign_of_life_at,
        s.recency,
        c.judged_at,
        c.live_since,
        least(s.own_sign_of_life_at, c.live_since, c.settled_before) as calls_since
    from {{ ref('open_sessions') }} as s
    cross join {{ ref('clock') }} as c
),

with_agents_calls as (
    select
        s.session_id,
        s.agent_id,
        s.status,
        s.current_call_id,
        s.login_at,
        s.last_activity_at,
        s.last_heartbeat_at,
        s.latest_possible_at,
        s.device_connected,
        s.max_concurrent_calls,
        s.own_sign_of_life_at,
        s.recency,
        s.live_since,
        (
            array_agg(calls.call_id order by calls.started_at desc, calls.call_id asc)
            filter (where {{ call_is_live('calls', 's.live_since') }})
        )[1] as agents_live_call_id,
        coalesce(
            bool_or({{ call_may_be_live('calls', 's.live_since') }}),
            false
        ) as has_agents_live_call,
        count(*) filter (where {{ call_may_be_live('calls', 's.live_since') }}) as agents_live_calls,
        max(calls.sign_of_life_at) as agents_calls_sign_of_life_at,
        max(calls.latest_possible_at) as agents_calls_latest_possible_at,
        max(calls.moved_at) as agents_calls_moved_at
    from sessions as s
    left join {{ ref('stg_call_sessions') }} as calls
        on s.recency = 1
            and calls.agent_id = s.agent_id
            and calls.moved_at >= s.calls_since
    group by
        s.session_id,
        s.agent_id,
        s.status,
        s.current_call_id,
        s.login_at,
        s.last_activity_at,
        s.last_heartbeat_at,
        s.latest_possible_at,
        s.device_connected,
        s.max_concurrent_calls,
        s.own_sign_of_life_at,
        s.recency,
        s.live_since
),

with_referenced_call as (
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
        s.recency,
        s.agents_live_call_id,
        s.has_agents_live_call,
        s.agents_live_calls,
        s.agents_calls_moved_at,
        agents.agent_id is not null as agent_exists,
        coalesce(agents.is_active, false) as agent_is_active,
        agents.role as agent_role,
        coalesce(agents.is_ai_agent, false) as agent_is_ai,
        referenced.call_id is not null as call_exists,
        referenced.status as call_status,
        referenced.agent_id as call_agent_id,
        referenced.started_at as call_started_at,
        referenced.ended_at as call_ended_at,
        referenced.moved_at as call_moved_at,
        coalesce(referenced.has_known_status, true) as call_has_known_status,
        coalesce({{ call_is_live('referenced', 's.live_since') }}, false) as call_is_live,
        coalesce({{ call_may_be_live('referenced', 's.live_since') }}, false) as call_may_be_live,
        greatest(
            s.own_sign_of_life_at, referenced.sign_of_life_at, s.agents_calls_sign_of_life_at
        ) as last_seen_at,
        greatest(
            s.latest_possible_at, referenced.latest_possible_at, s.agents_calls_latest_possible_at
        ) as latest_possible_at
    from with_agents_calls as s
    left join {{ ref('stg_agents') }} as agents on agents.agent_id = s.agent_id
    left join {{ ref('stg_call_sessions') }} as referenced on referenced.call_id = s.current_call_id
)

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
    recency,
    agent_exists,
    agent_is_active,
    agent_role,
    agent_is_ai,
    agents_live_calls,
    call_exists,
    call_status,
    call_agent_id,
    call_started_at,
    call_ended_at,
    call_has_known_status,
    call_is_live,
    last_seen_at,
    latest_possible_at,
    case when call_is_live then current_call_id else agents_live_call_id end as live_call_id,
    call_is_live or agents_live_call_id is not null as has_live_call,
    -- of any session of the agent: while it is true nothing of the agent's is changed
    bool_or(call_may_be_live or has_agents_live_call) over (partition by agent_id) as agent_has_live_call,
    -- the latest that happened to a call of the agent, or to the call that the session refers to
    greatest(
        call_moved_at, max(agents_calls_moved_at) over (partition by agent_id)
    ) as calls_moved_at
from with_referenced_call
