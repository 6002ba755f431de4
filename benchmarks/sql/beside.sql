-- name: present
select id::text, agent_id
from agent_sessions
where logout_at is null
    and status = 'available'
    and current_call_session_id is null
    and last_activity > (now() at time zone 'utc') - interval '2 hours';

-- name: heartbeat
update agent_sessions
set
    last_heartbeat = now() at time zone 'utc',
    last_activity = now() at time zone 'utc',
    device_connected = true
where id = %s;

-- name: status
update agent_sessions set status = %s, last_activity = now() at time zone 'utc' where id = %s;

-- name: ring
insert into call_sessions (id, agent_id, status, direction, started_at)
values (gen_random_uuid(), %s, 'ringing', 'inbound', now() at time zone 'utc')
returning id;

-- name: missed
update call_sessions set status = 'missed_call', ended_at = now() at time zone 'utc' where id = %s;

-- name: route
select s.agent_id
from agent_sessions as s
join agents as a on a.id = s.agent_id
where s.id = %s
    and s.status = 'available'
    and s.logout_at is null
    and a.is_active;
