-- Presence now: one row per open session, of each state the report_sessions that were seen last, with the count
-- of all open sessions in that state. Keys and times alone.
-- read once: open_sessions
with sessions as (
    select
        s.session_id::text as session_id,
        s.agent_id::text as agent_id,
        s.login_at,
        s.last_seen_at,
        case
            when s.abandoned_session then 'abandoned'
            when s.live_call_id is not null then 'talking'
            when s.last_seen_at >= clock.present_since then 'present'
            else 'quiet'
        end as state
    from {{ ref('assessed_sessions') }} as s
    cross join {{ ref('clock') }} as clock
),

numbered as (
    select
        session_id,
        agent_id,
        login_at,
        last_seen_at,
        state,
        count(*) over (partition by state) as of_this_state,
        row_number() over (partition by state order by last_seen_at desc, session_id asc) as position
    from sessions
)

select
    session_id,
    agent_id,
    login_at,
    last_seen_at,
    state,
    of_this_state
from numbered
where position <= {{ var('report_sessions') }}
    and {{ is_ordinary_time('login_at') }}
    and {{ is_ordinary_time('last_seen_at') }}
order by last_seen_at desc, session_id asc
