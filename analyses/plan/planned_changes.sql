-- One row per session still to be repaired, as a plan shows it: what cannot be a value in Python (an infinite instant)
-- is in JSON only. In the order of cleanup_plan.
select
    p.session_id::text as session_id,
    p.agent_id::text as agent_id,
    p.rules,
    p.remedy,
    p.before,
    p.after,
    p.evidence
from {{ ref('cleanup_plan') }} as p
order by p.agent_id, p.login_at, p.session_id
