-- One row: would an unattended clean-up close an implausible share of the working sessions, and does the evidence
-- point at the feed instead of at the agents? What unattended runs closed shortly before counts as well, so that an
-- outage is not executed in small portions.
with findings as (
    select
        s.agent_id,
        s.last_seen_at,
        s.status in ({{ literals(working_statuses()) }}) as is_working,
        s.abandoned_session,
        s.activity_in_future
    from {{ ref('session_findings') }} as s
),

closed_shortly as (
    select (c.evidence ->> 'last_seen_at')::timestamp at time zone 'UTC' as last_seen_at
    from {{ ref('changes') }} as c
    join {{ ref('runs') }} as r on r.run_id = c.run_id
    where r.unattended
        and r.undone_by is null
        and r.started_at > now() - {{ var('abandoned_after_hours') }} * interval '1 hour'
        and c.remedy = 'close'
        and c.before_image ->> {{ literal(var('sessions_status_column')) }} in ({{ literals(working_statuses()) }})
),

floor as (
    select
        count(*) filter (where is_working) as working_sessions,
        count(*) filter (where is_working and abandoned_session) as closing,
        count(*) filter (where activity_in_future) as in_future,
        (select count(*) from closed_shortly) as closed_shortly
    from findings
),

last_signs as (
    select last_seen_at
    from findings
    where is_working
        and abandoned_session
        and isfinite(last_seen_at)

    union all

    select last_seen_at
    from closed_shortly
    where isfinite(last_seen_at)
),

clusters as (
    select
        last_seen_at as cluster_from,
        count(*) over together as sessions_in_cluster,
        max(last_seen_at) over together as cluster_to
    from last_signs
    window together as (
        order by last_seen_at
        range between current row and {{ var('breaker_cluster_minutes') }} * interval '1 minute' following  -- noqa: PRS
    )
),

densest as (
    select
        cluster_from,
        cluster_to,
        sessions_in_cluster
    from clusters
    order by sessions_in_cluster desc, cluster_from asc
    limit 1
),

suspicion as (
    select
        f.working_sessions + f.closed_shortly as working_sessions,
        f.closing,
        f.closing + f.closed_shortly as closing_in_all,
        f.in_future,
        d.cluster_from,
        d.cluster_to,
        coalesce(d.sessions_in_cluster, 0) as sessions_in_cluster,
        c.judged_at,
        f.closing > 0
        and f.closing + f.closed_shortly > {{ var('breaker_min_sessions') }}
        and f.closing + f.closed_shortly
        > {{ var('breaker_max_share') }} * (f.working_sessions + f.closed_shortly) as is_implausible,
        coalesce(
            d.sessions_in_cluster > {{ var('breaker_cluster_share') }} * (f.closing + f.closed_shortly),
            false
        ) as is_clustered
    from floor as f
    cross join {{ ref('clock') }} as c
    left join densest as d on true
),

-- as long before the cluster as it is ago: calls go on when they are as many afterwards, or nearly so
calls as (
    select
        count(*) filter (where k.connected_at < s.cluster_from) as calls_before,
        count(*) filter (where k.connected_at > s.cluster_to) as calls_after
    from suspicion as s
    join {{ ref('stg_call_sessions') }} as k
        on s.is_implausible
            and s.is_clustered
            and k.moved_at >= s.cluster_from - (s.judged_at - s.cluster_to)
            and k.connected_at >= s.cluster_from - (s.judged_at - s.cluster_to)
            and k.connected_at <= s.judged_at
    where k.agent_id in (select f.agent_id from findings as f)
)

select
    s.working_sessions,
    s.closing,
    s.closing_in_all,
    s.in_future,
    s.cluster_from,
    s.cluster_to,
    s.sessions_in_cluster,
    calls.calls_before,
    calls.calls_after,
    s.is_implausible
    and s.is_clustered
    and calls.calls_after >= {{ var('silent_feed_min_calls') }}
    and calls.calls_after >= {{ var('breaker_calls_share') }} * calls.calls_before as points_at_the_feed,
    {{ silent_feed('feed') }} as feed_is_silent,
    feed.contradicting_calls
from suspicion as s
cross join calls
cross join {{ ref('silent_feed') }} as feed
