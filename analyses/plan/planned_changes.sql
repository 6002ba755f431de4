-- One row per session still to be repaired, as a plan shows it: what cannot be a value in Python (an infinite instant)
-- is in JSON only. An agent's newest session last: while it is open the older ones take no evidence from the agent's
-- calls.
-- read once: open_sessions
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
