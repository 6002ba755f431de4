-- Open sessions that refer to a live call of another agent.
select s.id
from agent_sessions as s
inner join call_sessions as c on c.id = s.current_call_session_id
where s.logout_at is null
    and c.agent_id <> s.agent_id
    and c.status in ('initiated', 'connecting', 'ringing', 'connected', 'queued')
    and c.ended_at is null
    and c.started_at > {now} - interval '4 hours'
