-- The readiness checklist as a careful DBA would write it by hand for this one call centre: default names, naive UTC
-- timestamps, default thresholds. One pass over the sessions; one over the calls, which finds what is unfinished and
-- what the agents of open sessions did lately; the calls that sessions refer to by their key. It gives the same
-- counts as Rollcall's readiness_counts. {heartbeat}, {device}, {capacity}: the new columns, or their absence.
with clock as materialized (
    select
        now() at time zone 'utc' as now,
        now() at time zone 'utc' - interval '2 hours' as abandoned,
        now() at time zone 'utc' - interval '4 hours' as live,
        now() at time zone 'utc' - interval '10 minutes' as settled,
        now() at time zone 'utc' - interval '5 minutes' as present
),

open_sessions as materialized (
    select
        s.id,
        s.agent_id,
        s.status,
        s.current_call_session_id as call_id,
        s.login_at,
        s.last_activity,
        {heartbeat} as last_heartbeat,
        {device} as device_connected,
        {capacity} as max_concurrent_calls,
        greatest(s.login_at, s.last_activity, {heartbeat}) as seen,
        row_number() over (partition by s.agent_id order by s.login_at desc, s.id desc) as recency,
        count(*) over (partition by s.current_call_session_id) as sharing
    from agent_sessions as s
    where s.logout_at is null
),

newest as (
    select
        s.agent_id,
        least(s.seen, k.live, k.settled) as since
    from open_sessions as s
    cross join clock as k
    where s.recency = 1
),

-- the pass over the calls
calls as materialized (
    select
        c.id,
        c.agent_id,
        c.status,
        c.started_at,
        c.ended_at,
        greatest(
            c.connected_at,
            case when c.connected_at is not null then c.ended_at end,
            case when c.direction = 'outbound' then c.started_at end
        ) as evidence,
        greatest(c.started_at, c.connected_at, c.ended_at) as moved,
        coalesce(greatest(c.started_at, c.connected_at, c.ended_at) >= newest.since, false) as is_recent,
        c.status in ('initiated', 'connecting', 'ringing', 'connected', 'queued') as live_status,
        c.status in (
            'initiated', 'connecting', 'ringing', 'connected', 'queued', 'completed', 'failed', 'no_answer',
            'missed_call', 'hung_up', 'busy', 'canceled'
        ) as known_status
    from call_sessions as c
    left join newest on newest.agent_id = c.agent_id
    where greatest(c.started_at, c.connected_at, c.ended_at) >= newest.since
        or c.ended_at is null
        or c.status in ('initiated', 'connecting', 'ringing', 'connected', 'queued')
),

agents_calls as (
    select
        c.agent_id,
        max(c.evidence) as evidence,
        max(c.moved) as moved,
        bool_or(c.live_status and c.ended_at is null and c.started_at > k.live) as has_live,
        bool_or((c.live_status or not c.known_status) and c.ended_at is null and c.started_at > k.live) as may_be_live
    from calls as c
    cross join clock as k
    where c.is_recent
    group by c.agent_id
),

evidence as (
    select
        s.id,
        s.agent_id,
        s.status,
        s.call_id,
        s.login_at,
        s.last_activity,
        s.last_heartbeat,
        s.device_connected,
        s.max_concurrent_calls,
        s.recency,
        s.sharing,
        a.id is not null as agent_exists,
        a.is_active as agent_is_active,
        c.id as found_call_id,
        c.status as call_status,
        c.agent_id as call_agent_id,
        c.started_at as call_started_at,
        c.connected_at as call_connected_at,
        c.ended_at as call_ended_at,
        coalesce(
            c.status in ('initiated', 'connecting', 'ringing', 'connected', 'queued')
            and c.ended_at is null
            and c.started_at > k.live,
            false
        ) as call_is_live,
        c.id is null or c.status in (
            'initiated', 'connecting', 'ringing', 'connected', 'queued', 'completed', 'failed', 'no_answer',
            'missed_call', 'hung_up', 'busy', 'canceled'
        ) as call_is_known,
        coalesce(mine.has_live, false) as agents_call_is_live,
        greatest(
            s.seen,
            mine.evidence,
            c.connected_at,
            case when c.connected_at is not null then c.ended_at end,
            case when c.direction = 'outbound' then c.started_at end
        ) as last_seen,
        greatest(s.seen, mine.evidence) as last_seen_otherwise,
        greatest(
            greatest(c.started_at, c.connected_at, c.ended_at), max(mine.moved) over (partition by s.agent_id)
        ) as calls_moved,
        bool_or(
            coalesce(mine.may_be_live, false)
            or coalesce(
                (
                    c.status in ('initiated', 'connecting', 'ringing', 'connected', 'queued')
                    or c.status not in (
                        'completed', 'failed', 'no_answer', 'missed_call', 'hung_up', 'busy', 'canceled'
                    )
                )
                and c.ended_at is null
                and c.started_at > k.live,
                false
            )
        ) over (partition by s.agent_id) as agent_has_live_call
    from open_sessions as s
    cross join clock as k
    left join agents as a on a.id = s.agent_id
    left join call_sessions as c on c.id = s.call_id
    left join agents_calls as mine on mine.agent_id = s.agent_id and s.recency = 1
),

-- a broken feed: calls are counted only when no session shows life of its own
feed as materialized (
    select
        case
            when exists (
                select 1
                from open_sessions as s
                cross join clock as k
                where greatest(s.last_activity, s.last_heartbeat) >= k.abandoned
            ) then false
            else (
                select count(*) >= 5
                from call_sessions as c
                cross join clock as k
                where c.connected_at >= k.abandoned
                    and c.agent_id in (select s.agent_id from open_sessions as s)
            )
        end as is_silent
),

judged as (
    select
        e.*,
        e.last_seen > now() at time zone 'utc' + interval '1 minute' as in_future,
        e.status not in ('available', 'on_call', 'break', 'offline', 'ended') as unknown_status,
        e.status in ('available', 'on_call', 'break') as is_working,
        not (
            e.last_seen > now() at time zone 'utc' + interval '1 minute'
            or e.status not in ('available', 'on_call', 'break', 'offline', 'ended')
            or not e.agent_exists
            or not e.call_is_known
            or feed.is_silent
            or e.agent_has_live_call
        ) as may_change,
        coalesce(e.calls_moved < k.settled, true)
        and (
            e.last_activity < k.settled
            or coalesce(e.last_activity <= e.last_heartbeat + interval '1 second', false)
        )
        and not (e.last_seen >= k.abandoned and e.last_seen_otherwise < k.abandoned) as is_quiet,
        coalesce(e.calls_moved < k.settled, true) as calls_are_quiet,
        e.last_seen_otherwise >= k.abandoned as is_seen_otherwise,
        coalesce(e.last_heartbeat >= k.present, false) as is_fresh
    from evidence as e
    cross join clock as k
    cross join feed
),

flagged as (
    select
        j.*,
        j.may_change
        and not j.call_is_live
        and not j.agents_call_is_live
        and j.last_seen < k.abandoned as is_abandoned
    from judged as j
    cross join clock as k
),

sessions as (
    select
        count(*) as open_sessions,
        count(*) filter (where is_working) as working_sessions,
        count(*) filter (
            where is_abandoned
                or may_change and is_quiet and (
                    call_id is not null and not call_is_live
                    or status = 'on_call' and not call_is_live and not agents_call_is_live
                )
        ) as pending_changes,
        count(*) filter (where is_abandoned) as abandoned_session,
        count(*) filter (where may_change and call_id is not null and not call_is_live and is_quiet)
            as orphaned_call_reference,
        count(*) filter (
            where may_change and status = 'on_call' and not call_is_live and not agents_call_is_live and is_quiet
        ) as invalid_on_call,
        count(*) filter (where agent_exists and not agent_is_active) as session_of_inactive_agent,
        count(*) filter (where recency > 1) as duplicate_open_session,
        count(*) filter (where status in ('offline', 'ended')) as open_but_offline,
        count(*) filter (where call_is_live and call_status = 'connected' and status = 'available')
            as live_call_not_on_call,
        count(*) filter (where call_is_live and sharing > 1) as shared_call,
        count(*) filter (where call_is_live and call_agent_id <> agent_id) as call_of_another_agent,
        count(*) filter (where coalesce(max_concurrent_calls < 1, true)) as invalid_capacity,
        count(*) filter (where status = 'available' and not coalesce(device_connected, false))
            as without_device,
        count(*) filter (where is_working and not is_abandoned) as expected_heartbeats,
        count(*) filter (where is_working and not is_abandoned and is_fresh) as fresh_heartbeats,
        count(*) filter (where coalesce(unknown_status, true)) as unknown_session_status,
        count(*) filter (where in_future) as activity_in_future,
        count(*) filter (
            where not coalesce(
                login_at between '0001-01-02' and '9999-12-30'
                and last_activity between '0001-01-02' and '9999-12-30'
                and coalesce(last_heartbeat between '0001-01-02' and '9999-12-30', true)
                and coalesce(call_started_at between '0001-01-02' and '9999-12-30', true)
                and coalesce(call_connected_at between '0001-01-02' and '9999-12-30', true)
                and coalesce(call_ended_at between '0001-01-02' and '9999-12-30', true),
                true
            )
        ) as extreme_time,
        count(*) filter (where login_at is null and last_activity is null and last_heartbeat is null) as no_sign_of_life,
        count(*) filter (
            where may_change
                and last_activity is null
                and (status = 'on_call' or call_id is not null)
                and calls_are_quiet
                and is_seen_otherwise
        ) as unknown_activity,
        count(*) filter (where not agent_exists) as unknown_agent
    from flagged
),

finished_references as (
    -- unfinished ones are among the calls already
    select
        count(distinct found_call_id) as unknown_call_status
    from evidence
    where not call_is_known
        and call_ended_at is not null
),

unfinished as (
    select
        count(*) filter (where not coalesce(c.known_status, false)) as unknown_call_status,
        count(*) filter (where c.live_status and c.ended_at is null and c.started_at <= k.live) as zombie_call,
        count(*) filter (where c.live_status and c.ended_at is not null) as ended_call_still_live
    from calls as c
    cross join clock as k
    where c.ended_at is null
        or c.live_status
),

staff as (
    select
        count(*) filter (where is_active) as active_agents,
        not coalesce(bool_or(is_active and not is_ai_agent and role = 'agent'), false) as has_no_agent
    from agents
)

select
    sessions.open_sessions,
    sessions.working_sessions,
    staff.active_agents,
    sessions.pending_changes,
    sessions.abandoned_session,
    sessions.orphaned_call_reference,
    sessions.invalid_on_call,
    sessions.session_of_inactive_agent,
    sessions.duplicate_open_session,
    sessions.open_but_offline,
    sessions.live_call_not_on_call,
    sessions.shared_call,
    sessions.call_of_another_agent,
    sessions.invalid_capacity,
    case
        when sessions.fresh_heartbeats >= 0.9 * sessions.expected_heartbeats then sessions.without_device
        else 0
    end as device_lost,
    case
        when sessions.fresh_heartbeats >= 0.9 * sessions.expected_heartbeats then 0
        else sessions.expected_heartbeats - sessions.fresh_heartbeats
    end as heartbeat_feed,
    sessions.unknown_session_status,
    unfinished.unknown_call_status + finished_references.unknown_call_status as unknown_call_status,
    sessions.activity_in_future,
    sessions.extreme_time,
    sessions.no_sign_of_life,
    sessions.unknown_activity,
    feed.is_silent::integer as silent_feed,
    sessions.unknown_agent,
    staff.has_no_agent::integer as no_active_agents,
    unfinished.zombie_call,
    unfinished.ended_call_still_live
from sessions
cross join staff
cross join feed
cross join unfinished
cross join finished_references
