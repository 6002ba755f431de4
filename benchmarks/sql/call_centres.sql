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
