-- What a run left alone, and why. $1: run_id. $2: keys of the sessions. $3: the reasons, in the same order.
insert into {{ ref('skips') }} (run_id, session_id, reason)
select
    $1 as run_id,
    skipped.session_id,
    skipped.reason
from unnest($2::text[], $3::text[]) as skipped (session_id, reason)
on conflict (run_id, session_id) do nothing
