-- No absent agent is routable: each routable agent has the open, available session that the view names.
select
    r.agent_id,
    r.session_id
from {{ ref('routable_agents') }} as r
left join {{ ref('agent_sessions') }} as s
    on s.session_id = r.session_id
        and s.agent_id = r.agent_id
        and s.is_open
        and s.status = {{ literal(var('available_status')) }}
where s.session_id is null
