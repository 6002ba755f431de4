-- One row: would an unattended clean-up close an implausible share of the sessions that were open when they fell
-- silent, and does the evidence point at the feed instead of at the agents?
-- The share is that of one episode of silence: what fell silent together, or in clusters shortly after one another,
-- against what was open when the episode began. Sessions that were silent already and agents that logged in later
-- change neither number, so no backlog and no next shift dilutes an outage. Sessions that unattended runs closed
-- shortly before count where they belong to the episode, or an outage would be executed in small portions.
with findings as (
    select
        s.agent_id,
        s.login_at,
        s.last_seen_at,
        s.status in ({{ literals(working_statuses()) }}) as is_working,
        s.abandoned_session,
        s.activity_in_future,
        bool_or(s.last_seen_at >= c.abandoned_before) over (partition by s.agent_id) as agent_shows_life
    from {{ ref('session_findings') }} as s
    cross join {{ ref('clock') }} as c
),

closed_shortly as (
    select
        c.agent_id,
        (c.evidence ->> 'last_seen_at')::timestamp at time zone 'UTC' as last_seen_at
    from {{ ref('changes') }} as c
    join {{ ref('runs') }} as r on r.run_id = c.run_id
    where r.unattended
        and r.undone_by is null
        and r.started_at > now() - {{ var('abandoned_after_hours') }} * interval '1 hour'
        and c.remedy = 'close'
        and {{ was_working('c') }}
),

bounds as (
    select
        judged_at,
        abandoned_before - {{ var('breaker_look_back_hours') }} * interval '1 hour' as earliest
    from {{ ref('clock') }}
),

-- A silent session stands at its last sign of life, another one at its login, and none at a moment outside the bounds,
-- whatever the tables say. A session whose agent shows life on another one is neither: to close it harms nothing.
signs as (
    select
        case
            when f.abandoned_session then f.last_seen_at
            else greatest(least(coalesce(f.login_at, b.earliest), b.judged_at), b.earliest)
        end as moment,
        f.abandoned_session as is_silent,
        f.abandoned_session as is_closing
    from findings as f
    cross join bounds as b
    where f.is_working
        and (
            not f.abandoned_session
            or (f.last_seen_at between b.earliest and b.judged_at and not coalesce(f.agent_shows_life, false))
        )

    union all

    select
        c.last_seen_at as moment,
        true as is_silent,
        false as is_closing
    from closed_shortly as c
    cross join bounds as b
    where c.last_seen_at between b.earliest and b.judged_at
),

counted as (
    select
        moment,
        is_silent,
        is_closing,
        count(*) filter (where is_silent) over onwards as silent,
        count(*) filter (where is_silent and not is_closing) over onwards as closed_already,
        count(*) filter (where is_silent) over onwards
        + count(*) filter (where not is_silent) over so_far as open_then,
        count(*) filter (where is_silent) over together as silent_together,
        count(*) filter (where is_silent) over slowly as silent_slowly,
        count(*) filter (where is_closing) over slowly as closing_slowly,
        max(moment) filter (where is_silent) over slowly as slowly_until
    from signs
    window
        so_far as (order by moment range between unbounded preceding and current row),
        onwards as (order by moment range between current row and unbounded following),
        together as (
            order by moment
            range between current row and {{ var('breaker_cluster_minutes') }} * interval '1 minute' following  -- noqa: PRS
        ),
        slowly as (
            order by moment
            range between current row and {{ var('breaker_slow_cluster_minutes') }} * interval '1 minute' following  -- noqa: PRS
        )
),

clustered as (
    select
        moment,
        is_closing,
        silent,
        closed_already,
        open_then,
        silent_slowly,
        closing_slowly,
        slowly_until,
        coalesce(
            bool_or(
                silent_together >= {{ var('breaker_cluster_sessions') }}
                and silent_together > {{ var('breaker_cluster_share') }} * open_then
            ) over (
                order by moment
                range between {{ var('breaker_cluster_minutes') }} * interval '1 minute' preceding and current row  -- noqa: PRS
            ),
            false
        ) as is_clustered
    from counted
    where is_silent
),

-- One row per moment at which an episode may have begun: clusters within one window, or one slow silence. Clusters
-- begin with a session of the first one: an earlier stray session would move the hours whose calls are compared.
episodes as (
    select
        moment as cluster_from,
        silent,
        closed_already,
        open_then,
        silent_slowly,
        closing_slowly,
        slowly_until,
        is_clustered,
        count(*) filter (where is_clustered) over shortly as silent_in_clusters,
        count(*) filter (where is_clustered and is_closing) over shortly as closing_in_clusters,
        max(moment) filter (where is_clustered) over shortly as clusters_until
    from clustered
    window shortly as (
        order by moment
        range between current row and {{ var('abandoned_after_hours') }} * interval '1 hour' following  -- noqa: PRS
    )
),

implausible as (
    select
        e.cluster_from,
        case when kind.is_slow then e.slowly_until else e.clusters_until end as cluster_to,
        case when kind.is_slow then e.silent_slowly else e.silent_in_clusters end as sessions_in_cluster,
        e.silent,
        e.closed_already,
        e.open_then,
        e.cluster_from - lag(e.cluster_from) over (order by e.cluster_from, kind.is_slow)
        <= {{ var('breaker_cluster_minutes') }} * interval '1 minute' as goes_on
    from episodes as e
    cross join (values (true), (false)) as kind (is_slow)
    where (kind.is_slow or e.is_clustered)
        and case when kind.is_slow then e.closing_slowly else e.closing_in_clusters end > 0
        and case when kind.is_slow then e.silent_slowly else e.silent_in_clusters end
        > greatest({{ var('breaker_min_sessions') }}, {{ var('breaker_max_share') }} * e.open_then)
),

grouped as (
    select
        i.*,
        count(*) filter (where not coalesce(i.goes_on, false)) over (order by i.cluster_from) as episode
    from implausible as i
),

suspicions as (
    select distinct on (g.episode)
        g.cluster_from,
        g.cluster_to,
        g.sessions_in_cluster,
        g.silent,
        g.closed_already,
        g.open_then,
        least(c.judged_at - g.cluster_to, {{ var('abandoned_after_hours') }} * interval '1 hour') as compared
    from grouped as g
    cross join bounds as c
    order by g.episode asc, g.sessions_in_cluster desc, g.cluster_from asc
),

floor as (
    select f.agent_id
    from findings as f

    union

    select a.agent_id
    from {{ ref('stg_agents') }} as a
    where a.agent_id::text in (select c.agent_id from closed_shortly as c)
),

calls as materialized (
    select
        k.agent_id,
        {{ call_proves_life_at('k') }} as connected_at
    from {{ ref('stg_call_sessions') }} as k
    where k.agent_id in (select floor.agent_id from floor)
        and k.moved_at >= (select min(s.cluster_from - s.compared) from suspicions as s)
        and {{ call_proves_life_at('k') }} >= (select min(s.cluster_from - s.compared) from suspicions as s)
        and {{ call_proves_life_at('k') }} <= (select max(s.cluster_to + s.compared) from suspicions as s)
),

logins as (
    select
        f.agent_id,
        min(f.login_at) as first_login_at
    from findings as f
    group by f.agent_id
),

-- The calls of an agent who came to work after the silence say nothing about the agents who were there.
calls_of_agents as (
    select
        s.cluster_from,
        k.agent_id,
        count(*) filter (where k.connected_at < s.cluster_from) as calls_before,
        count(*) filter (where k.connected_at > s.cluster_to) as calls_after,
        bool_or(
            k.connected_at < s.cluster_from
            or l.first_login_at <= s.cluster_to{{ ' or true' if not is_mapped('sessions_login_at_column') }}
        ) as was_there
    from suspicions as s
    join calls as k
        on k.connected_at between s.cluster_from - s.compared and s.cluster_to + s.compared
    left join logins as l on l.agent_id = k.agent_id
    group by s.cluster_from, k.agent_id
),

compared as (
    select
        s.cluster_from,
        coalesce(sum(a.calls_before), 0) as calls_before,
        coalesce(sum(a.calls_after) filter (where a.was_there), 0) as calls_after
    from suspicions as s
    left join calls_of_agents as a on a.cluster_from = s.cluster_from
    group by s.cluster_from
),

future as (
    select count(*) filter (where activity_in_future) as in_future
    from findings
),

pointing as (
    select
        s.open_then,
        s.silent,
        s.closed_already,
        s.sessions_in_cluster,
        s.cluster_from,
        s.cluster_to,
        c.calls_before,
        c.calls_after
    from suspicions as s
    join compared as c on c.cluster_from = s.cluster_from
    where (
        c.calls_after >= {{ var('silent_feed_min_calls') }}
        and c.calls_after >= {{ var('breaker_calls_share') }} * c.calls_before
    ){{ ' or true' if var('calls_table') is none }} -- no calls are known: what fell silent together is not believed
    order by s.sessions_in_cluster desc, s.cluster_from desc
    limit 1
)

select
    p.open_then,
    p.silent,
    p.closed_already,
    p.sessions_in_cluster,
    p.cluster_from,
    p.cluster_to,
    p.calls_before,
    p.calls_after,
    future.in_future,
    p.cluster_from is not null as points_at_the_feed,
    {{ silent_feed('feed') }} as feed_is_silent,
    feed.contradicting_calls
from {{ ref('silent_feed') }} as feed
cross join future
left join pointing as p on true
