-- Past runs, newest first. $1: how many. Of a run that did not record how many sessions it changed, because it was
-- killed or is at work, the recorded changes are counted: by the primary key, so the ledger's size does not matter.
with latest as (
    select *
    from {{ ref('runs') }}
    order by started_at desc, run_id desc
    limit $1::integer
)

select
    r.run_id,
    r.command,
    r.started_at,
    r.finished_at,
    r.verdict_before,
    r.verdict,
    r.planned,
    case
        when r.changed is not null or r.planned is null then r.changed
        else (
            select count(*)::integer
            from {{ ref('changes') }} as c
            where c.run_id = r.run_id
        )
    end as changed,
    r.skipped,
    r.executed,
    r.approved_by,
    r.undone_by,
    r.failure
from latest as r
order by r.started_at desc, r.run_id desc
