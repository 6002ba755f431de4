-- One row per session that we closed and whose agent showed life soon afterwards: each is a lesson.
-- $1: run_id, or null for every run of the last `regret_hours` and as much again.
-- A later login counts like any other sign of life, but only within regret_hours: tomorrow's is no regret. Of an older
-- duplicate only its own signs count, because its agent went on in the newer session.
{%- set columns = app_columns('agent_sessions') -%}
{%- set session_id_type = app_column_type(columns, 'sessions_id_column') -%}
{%- set agent_id_type = app_column_type(columns, 'sessions_agent_id_column') %}
with closed as (
    select
        c.run_id,
        c.session_id,
        c.agent_id,
        c.changed_at,
        c.changed_at + {{ var('regret_hours') }} * interval '1 hour' as until
    from {{ ref('changes') }} as c
    join {{ ref('runs') }} as r on r.run_id = c.run_id
    where c.remedy = 'close'
        and r.undone_by is null
        and (
            c.run_id = $1
            or ($1 is null and r.started_at > now() - 2 * {{ var('regret_hours') }} * interval '1 hour')
        )
),

-- the agent had a newer session, which was open when this one was closed
older_duplicates as (
    select distinct
        c.run_id,
        c.session_id
    from closed as c
    join {{ ref('stg_agent_sessions') }} as own on own.session_id = c.session_id::{{ session_id_type }}
    join {{ ref('stg_agent_sessions') }} as newer
        on newer.agent_id = own.agent_id
            and newer.login_at > own.login_at
            and newer.login_at <= c.changed_at
    where newer.is_open
        or newer.logout_at > c.changed_at
),

only_sessions as (
    select c.*
    from closed as c
    left join older_duplicates as o
        on o.run_id = c.run_id
            and o.session_id = c.session_id
    where o.session_id is null
),

signs as (
    -- of the closed session itself, whenever
    select
        c.run_id,
        c.session_id,
        c.agent_id,
        c.changed_at,
        case when s.is_open then 'open again' else 'active' end as sign,
        greatest(s.last_activity_at, s.last_heartbeat_at) as seen_at
    from closed as c
    join {{ ref('stg_agent_sessions') }} as s on s.session_id = c.session_id::{{ session_id_type }}
    where s.is_open
        or greatest(s.last_activity_at, s.last_heartbeat_at) > c.changed_at

    union all

    select
        c.run_id,
        c.session_id,
        c.agent_id,
        c.changed_at,
        'active in another session' as sign,
        sign.seen_at
    from only_sessions as c
    join {{ ref('stg_agent_sessions') }} as s
        on s.agent_id = c.agent_id::{{ agent_id_type }}
            and s.session_id <> c.session_id::{{ session_id_type }}
    cross join
        lateral (
            select min(moment) as seen_at
            from unnest(array[s.login_at, s.last_activity_at, s.last_heartbeat_at]) as moments (moment)
            where moment > c.changed_at
                and moment <= c.until
        ) as sign
    where sign.seen_at is not null

    union all

    select
        c.run_id,
        c.session_id,
        c.agent_id,
        c.changed_at,
        'on a call' as sign,
        calls.sign_of_life_at as seen_at
    from only_sessions as c
    join {{ ref('stg_call_sessions') }} as calls on calls.agent_id = c.agent_id::{{ agent_id_type }}
    where calls.moved_at > c.changed_at
        and calls.sign_of_life_at > c.changed_at
        and calls.sign_of_life_at <= c.until
)

select distinct on (signs.session_id, signs.run_id)
    signs.run_id,
    signs.session_id,
    signs.agent_id,
    signs.changed_at as closed_at,
    signs.sign,
    {{ ordinary_time('signs.seen_at') }} as seen_at
from signs
order by signs.session_id, signs.run_id, signs.seen_at
