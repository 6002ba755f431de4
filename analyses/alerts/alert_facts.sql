-- One row: what the ledger says about the schedule and about approval. $1: this run's id, which is left out, or null.
with ended as (
    select
        max(r.finished_at) filter (where r.command = 'clean') as last_clean,
        min(r.started_at) as first_run
    from {{ ref('runs') }} as r
    where r.run_id is distinct from $1
),

nights as (
    select max(p.recorded_at) as last_history
    from {{ ref('history_passes') }} as p
    where p.run_id is distinct from $1
),

newest_plan as (
    select
        p.hash,
        p.header
    from {{ ref('plans') }} as p
    order by p.stored_at desc
    limit 1
),

-- the newest stored plan, unless a run has executed it; an older one is superseded
waiting as (
    select
        n.hash,
        n.header
    from newest_plan as n
    where not exists (
            select 1
            from {{ ref('runs') }} as r
            where r.plan_hash = n.hash
                and r.command <> 'plan'
        )
)

select
    waiting.hash as plan_hash,
    waiting.header as plan_header,
    coalesce(ended.last_clean, ended.first_run) as last_clean,
    coalesce(nights.last_history, ended.first_run) as last_history
from ended
cross join nights
left join waiting on true
