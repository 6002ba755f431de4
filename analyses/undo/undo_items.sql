-- A page of the sessions that a run changed. $1: run_id. $2: after this key. $3: how many.
select session_id
from {{ ref('changes') }}
where run_id = $1
    and session_id > $2
order by session_id
limit $3::integer
