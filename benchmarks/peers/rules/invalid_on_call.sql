-- Open sessions that are on a call without a live call, and are quiet.
{evidence}

select id
from changeable
where status = 'on_call'
    and not call_is_live
    and is_quiet
