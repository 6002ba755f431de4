-- What three of the rules need to know about each open session: its last sign of life, its call, and the calls of its
-- agent. One row per open session. {now}: the instant of judgement, in UTC.
with newest as (
    select distinct on (agent_id)
        agent_id,
        id,
        greatest(login_at, last_activity) as seen
    from agent_sessions
    where logout_at is null
    order by agent_id asc, login_at desc, id desc
),

recent_calls as (
    select
        c.agent_id,
        max(
            greatest(
                c.connected_at,
                case when c.connected_at is not null then c.ended_at end,
                case when c.direction = 'outbound' then c.started_at end
            )
        ) as evidence,
        max(greatest(c.started_at, c.connected_at, c.ended_at)) as moved,
        bool_or(
            c.ended_at is null
            and c.started_at > {now} - interval '4 hours'
            and c.status not in ('completed', 'failed', 'no_answer', 'missed_call', 'hung_up', 'busy', 'canceled')
        ) as may_be_live
    from call_sessions as c
    inner join newest as n on n.agent_id = c.agent_id
    where greatest(c.started_at, c.connected_at, c.ended_at)
        >= least(n.seen, {now} - interval '4 hours', {now} - interval '10 minutes')
    group by c.agent_id
),

evidence as (
    select
        s.id,
        s.status,
        s.current_call_session_id,
        s.last_activity,
        greatest(
            s.login_at,
            s.last_activity,
            r.evidence,
            c.connected_at,
            case when c.connected_at is not null then c.ended_at end,
            case when c.direction = 'outbound' then c.started_at end
        ) as last_seen,
        greatest(s.login_at, s.last_activity, r.evidence) as last_seen_otherwise,
        greatest(c.started_at, c.connected_at, c.ended_at, max(r.moved) over (partition by s.agent_id)) as calls_moved,
        coalesce(
            c.ended_at is null
            and c.started_at > {now} - interval '4 hours'
            and c.status in ('initiated', 'connecting', 'ringing', 'connected', 'queued'),
            false
        ) as call_is_live,
        a.id is null
        or c.id is not null
        and c.status not in (
            'initiated', 'connecting', 'ringing', 'connected', 'queued',
            'completed', 'failed', 'no_answer', 'missed_call', 'hung_up', 'busy', 'canceled'
        ) as is_doubtful,
        bool_or(
            coalesce(r.may_be_live, false)
            or coalesce(
                c.ended_at is null
                and c.started_at > {now} - interval '4 hours'
                and c.status not in ('completed', 'failed', 'no_answer', 'missed_call', 'hung_up', 'busy', 'canceled'),
                false
            )
        ) over (partition by s.agent_id) as agent_has_live_call
    from agent_sessions as s
    left join agents as a on a.id = s.agent_id
    left join call_sessions as c on c.id = s.current_call_session_id
    left join newest as n on n.id = s.id
    left join recent_calls as r on r.agent_id = n.agent_id
    where s.logout_at is null
),

changeable as (
    select
        *,
        coalesce(calls_moved < {now} - interval '10 minutes', true)
        and last_activity < {now} - interval '10 minutes'
        and not (
            last_seen >= {now} - interval '2 hours' and last_seen_otherwise < {now} - interval '2 hours'
        ) as is_quiet
    from evidence
    where status in ('available', 'on_call', 'break', 'offline', 'ended')
        and not is_doubtful
        and not agent_has_live_call
        and last_seen <= {now} + interval '1 minute'
)
