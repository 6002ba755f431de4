-- Open sessions whose agent has a newer open session.
select s.id
from agent_sessions as s
where s.logout_at is null
    and exists (
        select 1
        from agent_sessions as newer
        where newer.agent_id = s.agent_id
            and newer.logout_at is null
            and (newer.login_at, newer.id) > (s.login_at, s.id)
    )
