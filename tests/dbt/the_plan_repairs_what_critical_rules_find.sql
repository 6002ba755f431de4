-- A critical rule fires exactly where the clean-up plan has a row: so READY can always be reached by cleaning.
select
    s.session_id as is_found,
    p.session_id as is_planned
from (
    select session_id
    from {{ ref('assessed_sessions') }}
    where abandoned_session
        or orphaned_call_reference
        or invalid_on_call
) as s
full join {{ ref('cleanup_plan') }} as p on p.session_id = s.session_id
where s.session_id is null
    or p.session_id is null
