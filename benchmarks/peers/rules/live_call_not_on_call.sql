-- Available sessions that refer to a connected call, and would be given a second one.
select s.id
from agent_sessions as s
inner join call_sessions as c on c.id = s.current_call_session_id
where s.logout_at is null
    and s.status = 'available'
    and c.status = 'connected'
    and c.ended_at is null
    and c.started_at > {now} - interval '4 hours'
