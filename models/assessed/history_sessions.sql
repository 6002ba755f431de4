-- One row per closed session with one boolean per rule of the history suite.
select
    s.session_id,
    {{ reversed_session_times('s') }} as reversed_session_times,
    {{ activity_after_logout('s') }} as activity_after_logout,
    {{ closed_but_working('s') }} as closed_but_working
from {{ ref('stg_agent_sessions') }} as s
where not s.is_open
