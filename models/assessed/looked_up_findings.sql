-- One row per open session, each judged by itself: the session comes first, then its agent's newest session and those
-- that refer to a call. So a query that chooses sessions reads no others. Only where sessions_are_looked_up: a session
-- finds itself again by its key; is_doubled where that key, its agent's or its call's names several rows.
-- `offset 0` keeps PostgreSQL from judging all sessions; the linter would order what has no order:
-- noqa: disable=AM09
with sessions_first as not materialized (
    select
        s.session_id,
        s.agent_id,
        s.status,
        s.login_at,
        s.current_call_id,
        s.device_connected,
        greatest(s.login_at, s.last_activity_at, s.last_heartbeat_at) as own_sign_of_life_at
    from {{ ref('stg_agent_sessions') }} as s
    where s.is_open
)

select
    found.*,
    own.session_id,
    own.agent_id,
    own.status,
    own.login_at,
    own.current_call_id,
    own.device_connected,
    own.own_sign_of_life_at
from sessions_first as own
cross join {{ ref('feed_of_views') }} as floor_feed
cross join lateral (
    with of_the_same_agent as not materialized (
        select o.*
        from {{ ref('open_sessions') }} as o
        where (o.agent_id = own.agent_id or (o.agent_id is null and own.agent_id is null))
            and (o.recency = 1 or o.current_call_id is not null or o.session_id = own.session_id)
    ),

    evidence as not materialized (
        {{ evidence_of_sessions('of_the_same_agent', in_one_pass=false) }}
    ),

    findings as not materialized (
        {{ findings_on_sessions('evidence', '(select floor_feed.contradicting_calls)') }}
    )

    select
        f.last_seen_at,
        f.live_call_id,
        f.call_is_live,
        f.is_present,
        count(*) over () > 1 as is_doubled,
        {{ has_fresh_heartbeat('f') }} as has_fresh_heartbeat,
        {{ rules_of('session_findings') | join(', ') }}
    from findings as f
    where f.session_id = own.session_id
    offset 0
) as found
