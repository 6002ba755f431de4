-- Open sessions that refer to a live call to which another open session refers too.
select s.id
from agent_sessions as s
inner join call_sessions as c on c.id = s.current_call_session_id
where s.logout_at is null
    and c.status in ('initiated', 'connecting', 'ringing', 'connected', 'queued')
    and c.ended_at is null
    and c.started_at > {now} - interval '4 hours'
    and exists (
        select 1
        from agent_sessions as other
        where other.current_call_session_id = s.current_call_session_id
            and other.id <> s.id
            and other.logout_at is null
    )
