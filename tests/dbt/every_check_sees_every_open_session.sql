-- No join on the way from the open sessions to the judged ones drops or doubles a row.
select
    o.session_id as is_open,
    a.session_id as is_judged
from {{ ref('open_sessions') }} as o
full join {{ ref('assessed_sessions') }} as a on a.session_id = o.session_id
where o.session_id is null
    or a.session_id is null
