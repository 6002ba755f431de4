-- One row per closed session that is to be judged, with one boolean per rule of the history suite: all of them, or
-- those that were closed since the setting rollcall.history_since and those that are known to fail.
-- Two ways to read them, as for the calls: all in one scan, or by the index on the logout, which would read all of the
-- history row by row. Of the two the one not asked for is never executed.
-- `offset 0` keeps PostgreSQL from joining the other way round; the linter would order what has no order:
-- noqa: disable=AM09
with closed as (
    select
        s.session_id,
        s.earliest_login_at,
        s.compared_logout_at as logout_at,
        s.earliest_activity_at,
        s.earliest_heartbeat_at,
        s.status,
        s.current_call_id
    from {{ ref('stg_agent_sessions') }} as s
    where not s.is_open
        and {{ history_since() }} = '-infinity'::timestamptz

    union all

    select
        s.session_id,
        s.earliest_login_at,
        s.compared_logout_at as logout_at,
        s.earliest_activity_at,
        s.earliest_heartbeat_at,
        s.status,
        s.current_call_id
    from {{ ref('stg_agent_sessions') }} as s
    where not s.is_open
        and s.logout_at >= {{ history_since() }}
        and {{ history_since() }} > '-infinity'::timestamptz

    union all

    select again.*
    from {{ ref('known_sessions') }} as known
    cross join lateral (
        select
            s.session_id,
            s.earliest_login_at,
            s.compared_logout_at as logout_at,
            s.earliest_activity_at,
            s.earliest_heartbeat_at,
            s.status,
            s.current_call_id
        from {{ ref('stg_agent_sessions') }} as s
        where s.session_id = known.session_id
            and not s.is_open
            and s.logout_at < {{ history_since() }}
        -- key by key, however many there are
        offset 0
    ) as again
)

select
    s.session_id,
    {{ closed_session_rules('s') }}
from closed as s
