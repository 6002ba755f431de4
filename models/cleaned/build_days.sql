-- Build the rows of some days, whole days at once. One row per day: was it built, or kept because calls or looks of it
-- are gone since it was built before, and how many rows of agents it has. No view: `rollcall build` executes it, and so
-- does dbt, by its materialization.
--
-- $1: run_id. $2, $3: the first and the last day; null: those of days_to_build. $4: then, build all days.
--
-- A day of the last build_days_again is always built. What nothing observed is null. The linter would order what has no
-- order, indent the laterals as if the join went on, and have no columns that full joins share:
-- noqa: disable=AM09,LT02,ST07
-- depends_on: {{ ref('runs') }}, {{ ref('lease') }}, {{ ref('built_agent_days') }}
{{- config(materialized='built_days', access='private') }}
{%- set knows_direction = is_mapped('calls_direction_column') %}
{%- set knows_answer = is_mapped('calls_connected_at_column') %}
{%- set knows_after_call = var('after_call_statuses') | length > 0 %}
{#- as values, and not as a join, they bound a scan #}
{%- set starts_at = '(select b.starts_at from bounds as b)' %}
{%- set ends_at = '(select b.ends_at from bounds as b)' %}
with due as (
    {{ days_to_build('$4::boolean') }}
),

given as (
    select
        $2::date as first_day,
        $3::date as last_day
),

asked as materialized (
    select
        coalesce(given.first_day, due.first_day) as first_day,
        coalesce(given.last_day, due.last_day) as last_day
    from given
    left join due on given.first_day is null
),

quarters as materialized (
    select
        series.interval_start,
        series.interval_start + interval '15 minutes' as interval_end,
        {{ business_time('series.interval_start') }} as local_start,
        {{ business_time('series.interval_start') }}::date as business_day
    from asked
    cross join {{ ref('clock') }} as clock
    cross join lateral generate_series(
        (asked.first_day - 1)::timestamp at time zone 'UTC',
        (asked.last_day + 2)::timestamp at time zone 'UTC',
        interval '15 minutes'
    ) as series (interval_start)
    where {{ business_time('series.interval_start') }}::date between asked.first_day and asked.last_day
        and series.interval_start <= clock.judged_at
),

latest as materialized (
    select max(l.look_at) as look_at
    from {{ ref('presence_looks') }} as l
),

bounds as materialized (
    select
        min(q.interval_start) as starts_at,
        max(q.interval_end) as ends_at
    from quarters as q
),

stored_bounds as materialized (
    select
        {{ stored_times_of_calls('bounds.starts_at', 'bounds.ends_at') }}
    from bounds
),

-- what the looks cover: the time from a look to the next one, where it is no gap
covered as (
    select
        series.interval_start,
        least(l.look_at, series.interval_start + interval '15 minutes')
        - greatest(l.previous_at, series.interval_start) as stretch
    from bounds
    join {{ ref('presence_looks') }} as l
        on l.look_at > bounds.starts_at
            and l.previous_at < bounds.ends_at
    cross join lateral {{ quarter_hours_between('l.previous_at', 'l.look_at') }} as series (interval_start)
),

observed as materialized (
    select
        q.interval_start,
        q.local_start,
        q.business_day,
        coalesce(sum(extract(epoch from c.stretch)), 0) as observed_seconds
    from quarters as q
    left join covered as c on c.interval_start = q.interval_start
    group by q.interval_start, q.local_start, q.business_day
),

-- what was shown, cut at the quarter hours; what goes on lasted until the last look
shown as materialized (
    select
        p.session_id,
        p.agent_id,
        series.interval_start,
        greatest(p.valid_from, series.interval_start) as begins_at,
        least(p.valid_to, latest.look_at, series.interval_start + interval '15 minutes') as ends_at,
        p.valid_from,
        p.status,
        p.presence = 'ghost' as is_ghost,
        'newer_session' = any(p.reasons) as has_newer_session,
        (p.status in ({{ literals(var('not_working_statuses')) }})) is not true as is_working
    from bounds
    cross join latest
    join {{ ref('presence') }} as p
        on p.valid_to > bounds.starts_at
            and p.valid_from < bounds.ends_at
            and p.superseded_by is null
            and p.agent_id is not null
    cross join lateral {{ quarter_hours_between(
        'greatest(p.valid_from, bounds.starts_at)', 'least(p.valid_to, latest.look_at, bounds.ends_at)'
    ) }} as series (interval_start)
),

cuts as (
    select
        s.agent_id,
        s.interval_start,
        s.begins_at as cut_at
    from shown as s
    where s.begins_at < s.ends_at

    union

    select
        s.agent_id,
        s.interval_start,
        s.ends_at as cut_at
    from shown as s
    where s.begins_at < s.ends_at
),

slices as (
    select
        c.agent_id,
        c.interval_start,
        c.cut_at as begins_at,
        lead(c.cut_at) over (partition by c.agent_id, c.interval_start order by c.cut_at) as ends_at
    from cuts as c
),

-- of an agent's open sessions at one time, one that is no ghost's, and then the newest
decided as materialized (
    select distinct on (s.agent_id, s.begins_at)
        s.agent_id,
        s.interval_start,
        s.begins_at,
        s.ends_at,
        extract(epoch from s.ends_at - s.begins_at) as seconds,
        w.status,
        w.is_working and not w.is_ghost as is_logged_in,
        w.is_working and w.is_ghost as is_ghost,
        coalesce(w.status in ({{ literals(available_statuses()) }}), false) as is_available
    from slices as s
    join shown as w
        on w.agent_id = s.agent_id
            and w.interval_start = s.interval_start
            and w.begins_at <= s.begins_at
            and w.ends_at >= s.ends_at
    order by
        s.agent_id asc,
        s.begins_at asc,
        w.is_ghost asc,
        w.has_newer_session asc,
        w.valid_from desc,
        w.session_id asc
),

-- the calls of rollcall.calls; what is stored is compared first, so that the other calls are not read any further
dated_calls as not materialized (
    select
        c.*,
        {{ shown_call_dated_at('c') }} as dated_at
    from {{ ref('timed_calls') }} as c
),

calls as materialized (
    select
        c.agent_id::text as agent_id,
        c.dated_at,
        {{ quarter_hour_of('c.dated_at') }} as interval_start,
        c.connected_at,
        c.ended_at,
        c.wait_seconds,
        coalesce(c.was_answered, false) as is_answered,
        coalesce(
            c.direction in ({{ literals(var('inbound_directions')) }}) and (c.was_answered or not c.is_live), false
        ) as is_offered
    from dated_calls as c
    where {{ stored_call_may_reach('c', 'stored_bounds') }}
        and (
            (c.dated_at >= {{ starts_at }} and c.dated_at < {{ ends_at }})
            or (c.connected_at < {{ ends_at }} and c.ended_at > {{ starts_at }})
        )
),

calls_by_interval as (
    select
        c.interval_start,
        count(*) as calls
    from calls as c
    group by c.interval_start
),

looks_by_interval as (
    select
        {{ quarter_hour_of('l.look_at') }} as interval_start,
        count(*) as looks
    from {{ ref('presence_looks') }} as l
    cross join bounds
    where l.look_at >= bounds.starts_at
        and l.look_at < bounds.ends_at
    group by interval_start
),

days as (
    select
        o.business_day,
        min(o.interval_start) as starts_at,
        max(o.interval_start) + interval '15 minutes' as ends_at,
        sum(o.observed_seconds) as observed_seconds,
        sum(counted.calls)::bigint as calls,
        sum(looked.looks)::bigint as looks
    from observed as o
    left join calls_by_interval as counted on counted.interval_start = o.interval_start
    left join looks_by_interval as looked on looked.interval_start = o.interval_start
    group by o.business_day
),

-- calls that began earlier are gone, so nothing is known of the calls of an earlier day
oldest_found as (
    select min(c.dated_at) as call_at
    from calls as c
),

oldest as (
    select
        case
            when exists (
                select c.call_id
                from dated_calls as c
                where c.dated_at < {{ starts_at }}
            ) then '-infinity'
            when oldest_found.call_at is not null then oldest_found.call_at
            when exists (
                select c.call_id
                from dated_calls as c
                where c.dated_at >= {{ ends_at }}
            ) then 'infinity'
            else '-infinity'
        end as call_at
    from oldest_found
),

judged_days as materialized (
    select
        d.business_day,
        d.starts_at,
        d.ends_at,
        d.observed_seconds,
        coalesce(d.calls, 0) as calls,
        coalesce(d.looks, 0) as looks,
        d.ends_at > oldest.call_at
        -- a day that was built after its end, with all of its calls, has lost none since
        or coalesce(
            b.starts_at <= d.starts_at
            and b.ends_at >= d.ends_at
            and b.calls <= coalesce(d.calls, 0)
            and exists (
                select q.interval_start
                from {{ ref('built_queue_intervals') }} as q
                where q.business_day = d.business_day
                    and q.calls_offered is not null
            ),
            false
        ) as has_calls,
        coalesce(
            (b.calls > coalesce(d.calls, 0) or b.looks > coalesce(d.looks, 0))
            -- built before it was over, it is worth building again
            and b.ends_at >= d.ends_at
            and d.business_day < {{ business_time('clock.judged_at') }}::date - {{ whole_days('build_days_again') }},
            false
        ) as is_kept
    from days as d
    cross join {{ ref('clock') }} as clock
    cross join oldest
    left join {{ ref('built_days') }} as b on b.business_day = d.business_day
),

intervals as materialized (
    select
        o.*,
        d.has_calls and {{ knows_direction }} as knows_offered,
        d.has_calls and {{ knows_direction and knows_answer }} as knows_answered,
        d.has_calls and {{ knows_answer }} as knows_talk
    from observed as o
    join judged_days as d on d.business_day = o.business_day
    where not d.is_kept
),

unanswered as (
    select
        c.agent_id,
        c.interval_start,
        c.dated_at,
        row_number() over () as number
    from calls as c
    where c.is_offered
        and not c.is_answered
),

-- joined with the ghosts alone: with every agent at work, the pairs would grow with the square of the call centre
missed as (
    select
        c.agent_id,
        c.interval_start,
        coalesce(bool_or(d.agent_id = c.agent_id), false) as was_a_ghosts,
        count(d.agent_id) > 0 as while_a_ghost_was_available
    from unanswered as c
    left join decided as d
        on d.is_ghost
            and d.is_available
            and d.interval_start = c.interval_start
            and d.begins_at <= c.dated_at
            and d.ends_at > c.dated_at
    group by c.number, c.agent_id, c.interval_start
),

presence_facts as (
    select
        d.agent_id,
        d.interval_start,
        sum(d.seconds) filter (where d.is_logged_in) as logged_in_seconds,
        sum(d.seconds) filter (where d.is_logged_in and d.is_available) as available_seconds,
        sum(d.seconds) filter (
            where d.is_logged_in and d.status in ({{ literals(on_call_statuses()) }})
        ) as on_call_seconds,
        sum(d.seconds) filter (
            where d.is_logged_in and d.status in ({{ literals(break_statuses()) }})
        ) as break_seconds,
        sum(d.seconds) filter (
            where d.is_logged_in and d.status in ({{ literals(var('after_call_statuses')) }})
        ) as after_call_seconds,
        sum(d.seconds) filter (where d.is_ghost) as ghost_seconds,
        sum(d.seconds) filter (where d.is_ghost and d.is_available) as ghost_available_seconds
    from decided as d
    group by d.agent_id, d.interval_start
),

call_facts as (
    select
        c.agent_id,
        c.interval_start,
        count(*) filter (where c.is_offered) as calls_offered,
        count(*) filter (where c.is_offered and c.is_answered) as calls_answered
    from calls as c
    where c.agent_id is not null
    group by c.agent_id, c.interval_start
),

missed_facts as (
    select
        m.agent_id,
        m.interval_start,
        count(*) filter (where m.was_a_ghosts) as calls_missed_as_ghost
    from missed as m
    where m.agent_id is not null
    group by m.agent_id, m.interval_start
),

talk_facts as (
    select
        c.agent_id,
        series.interval_start,
        sum(extract(
            epoch from least(c.ended_at, series.interval_start + interval '15 minutes')
            - greatest(c.connected_at, series.interval_start)
        )) as talk_seconds
    from calls as c
    cross join bounds
    cross join lateral {{ quarter_hours_between(
        'greatest(c.connected_at, bounds.starts_at)', 'least(c.ended_at, bounds.ends_at)'
    ) }} as series (interval_start)
    where c.agent_id is not null
        and c.connected_at < c.ended_at
        and series.interval_start < c.ended_at
    group by c.agent_id, series.interval_start
),

built_agents as (
    insert into {{ ref('built_agent_intervals') }} as b (
        agent_id, interval_start, local_start, business_day, observed_seconds, logged_in_seconds, available_seconds,
        on_call_seconds, break_seconds, after_call_seconds, ghost_seconds, ghost_available_seconds, calls_offered,
        calls_answered, calls_missed, calls_missed_as_ghost, talk_seconds, built_by
    )
    select
        agent_id,
        interval_start,
        i.local_start,
        i.business_day,
        i.observed_seconds,
        {% for name in ['logged_in_seconds', 'available_seconds', 'on_call_seconds', 'break_seconds'] -%}
            case when i.observed_seconds > 0 then coalesce(p.{{ name }}, 0) end as {{ name }},
        {% endfor -%}
        case
            when i.observed_seconds > 0 and {{ knows_after_call }} then coalesce(p.after_call_seconds, 0)
        end as after_call_seconds,
        {% for name in ['ghost_seconds', 'ghost_available_seconds'] -%}
            case when i.observed_seconds > 0 then coalesce(p.{{ name }}, 0) end as {{ name }},
        {% endfor -%}
        case when i.knows_offered then coalesce(c.calls_offered, 0) end as calls_offered,
        case when i.knows_answered then coalesce(c.calls_answered, 0) end as calls_answered,
        case
            when i.knows_answered then coalesce(c.calls_offered - c.calls_answered, 0)
        end as calls_missed,
        case
            when i.knows_answered and i.observed_seconds > 0 then coalesce(m.calls_missed_as_ghost, 0)
        end as calls_missed_as_ghost,
        case when i.knows_talk then coalesce(t.talk_seconds, 0) end as talk_seconds,
        $1 as built_by
    -- a full join is never a nested loop, which a planner without statistics of these parts might choose
    from presence_facts as p
    full join call_facts as c using (agent_id, interval_start)
    full join missed_facts as m using (agent_id, interval_start)
    full join talk_facts as t using (agent_id, interval_start)
    join intervals as i using (interval_start)
    on conflict (agent_id, interval_start) do update set
        {% for name in ['local_start', 'business_day', 'observed_seconds'] + agent_sums() | list -%}
            {{ name }} = excluded.{{ name }},
        {% endfor -%}
        built_by = excluded.built_by
    returning b.business_day
),

offered as (
    select
        c.interval_start,
        count(*) as calls_offered,
        count(*) filter (where c.is_answered) as calls_answered,
        count(*) filter (
            where c.is_answered and c.wait_seconds <= {{ var('service_level_seconds') }}
        ) as calls_answered_in_time,
        sum(c.wait_seconds) filter (where c.is_answered) as wait_seconds_of_answered,
        count(c.wait_seconds) filter (where c.is_answered) as calls_answered_with_known_wait
    from calls as c
    where c.is_offered
    group by c.interval_start
),

rung_ghosts as (
    select
        m.interval_start,
        count(*) as calls
    from missed as m
    where m.while_a_ghost_was_available
    group by m.interval_start
),

built_queue as (
    insert into {{ ref('built_queue_intervals') }} (
        interval_start, local_start, business_day, observed_seconds, calls_offered, calls_answered, calls_abandoned,
        calls_answered_in_time, wait_seconds_of_answered, calls_answered_with_known_wait,
        calls_missed_with_ghost_available, built_by
    )
    select
        i.interval_start,
        i.local_start,
        i.business_day,
        i.observed_seconds,
        case when i.knows_offered then coalesce(o.calls_offered, 0) end as calls_offered,
        case when i.knows_answered then coalesce(o.calls_answered, 0) end as calls_answered,
        case
            when i.knows_answered then coalesce(o.calls_offered - o.calls_answered, 0)
        end as calls_abandoned,
        case
            when i.knows_answered then coalesce(o.calls_answered_in_time, 0)
        end as calls_answered_in_time,
        case
            when i.knows_answered then coalesce(o.wait_seconds_of_answered, 0)
        end as wait_seconds_of_answered,
        case
            when i.knows_answered then coalesce(o.calls_answered_with_known_wait, 0)
        end as calls_answered_with_known_wait,
        case
            when i.knows_answered and i.observed_seconds > 0 then coalesce(g.calls, 0)
        end as calls_missed_with_ghost_available,
        $1 as built_by
    from intervals as i
    left join offered as o on o.interval_start = i.interval_start
    left join rung_ghosts as g on g.interval_start = i.interval_start
    on conflict (interval_start) do update set
        {% for name in [
            'local_start', 'business_day', 'observed_seconds', 'calls_offered', 'calls_answered', 'calls_abandoned',
            'calls_answered_in_time', 'wait_seconds_of_answered', 'calls_answered_with_known_wait',
            'calls_missed_with_ghost_available',
        ] -%}
            {{ name }} = excluded.{{ name }},
        {% endfor -%}
        built_by = excluded.built_by
),

kept as (
    update {{ ref('built_days') }} as b
    set is_final = true
    from judged_days as d
    where d.is_kept
        and b.business_day = d.business_day
),

recorded as (
    insert into {{ ref('built_days') }} (
        business_day, starts_at, ends_at, settings, observed_seconds, looks, calls, looked_until, built_by
    )
    select
        d.business_day,
        d.starts_at,
        d.ends_at,
        {{ build_settings() }} as settings,
        d.observed_seconds,
        d.looks,
        d.calls,
        latest.look_at as looked_until,
        $1 as built_by
    from judged_days as d
    cross join latest
    where not d.is_kept
    on conflict (business_day) do update set
        {% for name in [
            'starts_at', 'ends_at', 'settings', 'observed_seconds', 'looks', 'calls', 'looked_until', 'built_by',
        ] -%}
            {{ name }} = excluded.{{ name }},
        {% endfor -%}
        is_final = false,
        built_at = clock_timestamp()
)

select
    d.business_day,
    d.is_kept,
    count(a.business_day) as agent_intervals
from judged_days as d
left join built_agents as a on a.business_day = d.business_day
group by d.business_day, d.is_kept
order by d.business_day
