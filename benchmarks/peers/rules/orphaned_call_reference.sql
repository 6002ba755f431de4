-- Open sessions that refer to a call that is missing or over, and are quiet.
{evidence}

select id
from changeable
where current_call_session_id is not null
    and not call_is_live
    and is_quiet
