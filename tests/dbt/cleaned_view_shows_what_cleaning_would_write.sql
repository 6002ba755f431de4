-- The view and the plan agree: a session that is to be repaired already shows the status it will get.
select
    p.session_id,
    p.remedy,
    p.status_after,
    s.status,
    s.is_open
from {{ ref('cleanup_plan') }} as p
join {{ ref('agent_sessions') }} as s on s.session_id = p.session_id
where s.status <> p.status_after
    or s.is_open = (p.remedy = 'close')
