-- A status is one that the configuration names, or the view says that it is not.
select
    session_id,
    status,
    defects
from {{ ref('agent_sessions') }}
where is_open
    and not 'unknown_session_status' = any(defects)
    and (
        status is null
        or status not in ({{ literals(working_statuses() + var('not_working_statuses')) }})
    )
