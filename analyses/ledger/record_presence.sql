-- Record one look at all open sessions: end the presence intervals that it does not find as they were, begin others.
-- One row: how many sessions are open, and how many intervals ended and began; no row where the clock has not advanced
-- since the look before. $1: run_id.
--
-- An instant of change is the look that saw it, but for what evidence dates within the time since the look before: a
-- login, a logout, a close by a run, the sign of life that ended a ghost. After a gap the intervals end at the look
-- before it. A session that proves abandoned was a ghost since its last sign of life plus presence_minutes: its later
-- intervals are superseded, and added again as a ghost's. The linter would order what has no order:
-- noqa: disable=AM09
{%- set session_type = app_column_type(app_columns('agent_sessions'), 'sessions_id_column') %}
with previous as (
    select
        l.look_at,
        l.run_id
    from {{ ref('presence_looks') }} as l
    order by l.look_at desc
    limit 1
),

look as materialized (
    select
        clock.judged_at as look_at,
        previous.look_at as previous_at,
        -- run keys begin with their time, so that the changes since then are a range of the primary key
        split_part(previous.run_id, '-', 1) as runs_since,
        coalesce(
            clock.judged_at - previous.look_at <= {{ var('presence_gap_minutes') }} * interval '1 minute', false
        ) as follows
    from {{ ref('clock') }} as clock
    left join previous on true
    where coalesce(previous.look_at < clock.judged_at, true)
),

seen as materialized (
    select s.*
    from {{ ref('session_presence') }} as s
    cross join look
),

going_on as (
    select p.*
    from {{ ref('presence') }} as p
    where p.valid_to = 'infinity'
),

changed as materialized (
    select
        look.*,
        s.agent_id,
        s.status,
        s.presence,
        s.reasons,
        s.has_live_call,
        s.login_at,
        s.last_seen_at,
        s.session_id as open_session_id,
        p.session_id as known_session_id,
        p.valid_from as known_from,
        p.recorded_by as known_by,
        p.presence as known_presence
    from going_on as p
    full join seen as s on s.session_id = p.session_id
    cross join look
    where not look.follows
        or (p.session_id is null) <> (s.session_id is null)
        or p.agent_id is distinct from s.agent_id
        or p.status is distinct from s.status
        or p.presence is distinct from s.presence
        or p.reasons is distinct from s.reasons
        or p.has_live_call is distinct from s.has_live_call
),

closed_by_runs as materialized (
    select
        c.session_id,
        max(c.changed_at) as closed_at
    from look
    join {{ ref('changes') }} as c
        on c.run_id >= look.runs_since
            and c.changed_at > look.previous_at
            and c.remedy = 'close'
    group by c.session_id
),

with_logout as (
    select
        c.*,
        gone.logout_at,
        runs.closed_at
    from changed as c
    left join lateral (
        select {{ ordinary_time('a.logout_at') }} as logout_at
        from {{ ref('stg_agent_sessions') }} as a
        where c.open_session_id is null
            and a.session_id = c.known_session_id::{{ session_type }}
        limit 1 -- key by key
    ) as gone on true
    left join closed_by_runs as runs
        on c.open_session_id is null
            and runs.session_id = c.known_session_id
),

dated as materialized (
    select
        w.*,
        case
            when not w.follows then w.previous_at
            when w.open_session_id is null and w.logout_at > w.previous_at and w.logout_at <= w.look_at then w.logout_at
            when w.open_session_id is null then coalesce(least(w.closed_at, w.look_at), w.look_at)
            when w.known_presence = 'ghost' and w.presence = 'there' and w.last_seen_at > w.previous_at
                then least(w.last_seen_at, w.look_at)
            else w.look_at
        end as changed_at,
        case
            when w.known_presence = 'ghost' then null
            when w.presence = 'ghost' then w.last_seen_at + {{ var('presence_minutes') }} * interval '1 minute'
            when w.logout_at <= w.previous_at and w.closed_at is not null
                then w.logout_at + {{ var('presence_minutes') }} * interval '1 minute'
            when w.logout_at <= w.previous_at then w.logout_at
        end as ghost_since
    from with_logout as w
),

affected as materialized (
    select
        p.*,
        d.look_at,
        d.changed_at as ends_at,
        d.ghost_since,
        true as goes_on,
        coalesce(d.ghost_since < d.changed_at, false) as is_corrected
    from dated as d
    join {{ ref('presence') }} as p
        on p.session_id = d.known_session_id
            and p.valid_from = d.known_from
            and p.recorded_by = d.known_by

    union all

    select
        p.*,
        d.look_at,
        p.valid_to as ends_at,
        d.ghost_since,
        false as goes_on,
        true as is_corrected
    from dated as d
    join {{ ref('presence') }} as p on p.session_id = d.known_session_id
    where p.valid_to > d.ghost_since
        and p.valid_to < 'infinity'
        and p.superseded_by is null
        and p.presence <> 'ghost'
),

ended as (
    update {{ ref('presence') }} as p
    set
        valid_to = case
            when a.goes_on and a.is_corrected and a.valid_from < a.ghost_since then a.ghost_since
            else a.ends_at
        end,
        ended_by = coalesce(p.ended_by, a.look_at),
        superseded_by = case
            when a.is_corrected and not (a.goes_on and a.valid_from < a.ghost_since) then a.look_at
        end
    from affected as a
    where p.session_id = a.session_id
        and p.valid_from = a.valid_from
        and p.recorded_by = a.recorded_by
    returning p.session_id
),

begun as (
    insert into {{ ref('presence') }} (
        session_id, agent_id, status, presence, reasons, has_live_call, valid_from, valid_to, recorded_by, ended_by
    )
    -- what is open now
    select
        d.open_session_id as session_id,
        d.agent_id,
        d.status,
        d.presence,
        d.reasons,
        d.has_live_call,
        case
            when d.follows and d.known_session_id is not null then d.changed_at
            when d.follows and d.login_at > d.previous_at then least(d.login_at, d.look_at)
            else d.look_at
        end as valid_from,
        'infinity'::timestamptz as valid_to,
        d.look_at as recorded_by,
        null::timestamptz as ended_by
    from dated as d
    where d.open_session_id is not null

    union all

    -- the part of an interval that was a ghost's
    select
        a.session_id,
        a.agent_id,
        a.status,
        'ghost' as presence,
        a.reasons,
        a.has_live_call,
        greatest(a.valid_from, a.ghost_since) as valid_from,
        a.ends_at as valid_to,
        a.look_at as recorded_by,
        coalesce(a.ended_by, a.look_at) as ended_by
    from affected as a
    where a.is_corrected

    union all

    -- and the part before it, of one that had ended
    select
        a.session_id,
        a.agent_id,
        a.status,
        a.presence,
        a.reasons,
        a.has_live_call,
        a.valid_from,
        a.ghost_since as valid_to,
        a.look_at as recorded_by,
        a.ended_by
    from affected as a
    where a.is_corrected
        and not a.goes_on
        and a.valid_from < a.ghost_since
    returning session_id
),

looked as (
    insert into {{ ref('presence_looks') }} (look_at, run_id, previous_at, open_sessions)
    select
        look.look_at,
        $1 as run_id,
        case when look.follows then look.previous_at end as previous_at,
        (select count(*) from seen) as open_sessions
    from look
    returning look_at, open_sessions
),

pruned as (
    delete from {{ ref('presence') }} as p
    using look
    where p.valid_to < look.look_at - {{ var('presence_keep_days') }} * interval '1 day'
),

pruned_looks as (
    delete from {{ ref('presence_looks') }} as l
    using look
    where l.look_at < look.look_at - {{ var('presence_keep_days') }} * interval '1 day'
)

select
    looked.look_at,
    looked.open_sessions,
    (select count(*) from ended) as ended,
    (select count(*) from begun) as begun
from looked
