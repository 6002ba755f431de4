-- name: forgotten sessions
insert into agent_sessions (id, agent_id, status, login_at, last_activity, current_call_session_id)
select
    gen_random_uuid(),
    staff.ids[1 + n %% cardinality(staff.ids)],
    (array['available', 'on_call', 'break', 'offline'])[1 + n %% 4],
    past.moment - interval '3 hours',
    past.moment,
    case when n %% 4 = 1 then gen_random_uuid() end
from (
    select array_agg(id order by id) as ids
    from agents
    where id not in (select agent_id from call_sessions where ended_at is null and agent_id is not null)
) as staff
cross join generate_series(1, %s) as n
cross join lateral (
    select (now() at time zone 'utc') - interval '1 day' - (n %% 80000) * interval '1 minute' as moment
) as past;

-- name: looks
insert into rollcall_ops.presence_looks (look_at, run_id, previous_at, open_sessions)
select
    look_at,
    %s,
    lag(look_at) over (order by look_at),
    0
from generate_series(now() - interval '90 days', now() - interval '1 minute', interval '5 minutes') as look_at;

-- name: presence
insert into rollcall_ops.presence (
    session_id, agent_id, status, presence, reasons, has_live_call,
    valid_from, valid_to, recorded_by, ended_by
)
select
    s.session_id::text,
    s.agent_id::text,
    (array['available', 'on_call', 'available'])[part],
    case when part = 3 and hashtext(s.session_id::text) % 300 = 0 then 'ghost' else 'there' end,
    '{}',
    part = 2,
    s.login_at + (s.logout_at - s.login_at) * (part - 1) / 3,
    s.login_at + (s.logout_at - s.login_at) * part / 3,
    s.login_at + (s.logout_at - s.login_at) * (part - 1) / 3,
    s.login_at + (s.logout_at - s.login_at) * part / 3
from rollcall.agent_sessions as s
cross join generate_series(1, 3) as part
where s.logout_at > s.login_at
    and s.logout_at < s.login_at + interval '1 day'
    and hashtext(s.session_id::text) % 10 = 0;
