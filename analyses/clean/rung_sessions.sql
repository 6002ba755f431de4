-- Which of these sessions would be closed, did not a live call of the agent keep them open? No agent has shown life in
-- them: a ghost that is rung, and whose call will soon be over.
-- $1: keys of the sessions, as text. $2: their agents, as text. One row per session.
{%- set columns = app_columns('agent_sessions') %}
select f.session_id::text as session_id
from {{ ref('session_findings') }} as f
cross join {{ ref('clock') }} as clock
where f.agent_id = any({{ keys('$2', app_column_type(columns, 'sessions_agent_id_column')) }})
    and f.session_id = any({{ keys('$1', app_column_type(columns, 'sessions_id_column')) }})
    and f.last_seen_at < clock.abandoned_before
    and not f.abandoned_session
    and not f.is_held
