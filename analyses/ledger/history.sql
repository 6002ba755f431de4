-- Past runs, newest first. $1: how many.
select
    run_id,
    command,
    started_at,
    finished_at,
    verdict_before,
    verdict,
    planned,
    changed,
    skipped,
    executed,
    approved_by,
    undone_by,
    failure
from {{ ref('runs') }}
order by started_at desc, run_id desc
limit $1::integer
