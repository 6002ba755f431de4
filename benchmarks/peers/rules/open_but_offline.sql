-- Sessions that are offline but have no time of logout.
select id
from agent_sessions
where logout_at is null
    and status in ('offline', 'ended')
