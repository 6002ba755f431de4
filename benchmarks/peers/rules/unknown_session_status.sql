-- Open sessions whose status the application does not know.
select id
from agent_sessions
where logout_at is null
    and coalesce(status not in ('available', 'on_call', 'break', 'offline', 'ended'), true)
