-- Open sessions of agents that are deactivated.
select s.id
from agent_sessions as s
inner join agents as a on a.id = s.agent_id
where s.logout_at is null
    and not a.is_active
