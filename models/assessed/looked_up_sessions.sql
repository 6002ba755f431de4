-- One row per open session with one boolean per rule that one session can violate, as assessed_sessions has them. What
-- all open sessions decide (heartbeats, shared calls) is read only for a session to which it matters.
with with_feed as not materialized (
    select
        f.*,
        (select h.heartbeat_feed_is_alive from {{ ref('looked_up_heartbeats') }} as h) as heartbeat_feed_is_alive
    from {{ ref('looked_up_findings') }} as f
)

select
    s.session_id,
    s.agent_id,
    s.status,
    s.current_call_id,
    s.login_at,
    s.last_seen_at,
    s.live_call_id,
    s.own_sign_of_life_at,
    s.is_doubled,
    s.is_present,
    {{ rules_of('session_findings') | join(', ') }},
    {{ device_lost('s') }} as device_lost,
    case
        when s.call_is_live
            then s.current_call_id in (
                    select o.current_call_id
                    from {{ ref('stg_agent_sessions') }} as o
                    where o.is_open
                        and o.current_call_id is not null
                    group by o.current_call_id
                    having count(*) > 1
                )
        else false
    end as shared_call
from with_feed as s
