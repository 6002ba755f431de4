-- What a run has found or done so far. $1: run_id. $2: a JSON object of the columns to set; others stay.
update {{ ref('runs') }} as r
set
    judged_at = coalesce(n.judged_at, r.judged_at),
    plan_hash = coalesce(n.plan_hash, r.plan_hash),
    approved_by = coalesce(n.approved_by, r.approved_by),
    verdict_before = coalesce(n.verdict_before, r.verdict_before),
    verdict = coalesce(n.verdict, r.verdict),
    planned = coalesce(n.planned, r.planned),
    changed = coalesce(n.changed, r.changed),
    skipped = coalesce(n.skipped, r.skipped),
    executed = coalesce(n.executed, r.executed),
    unattended = coalesce(n.unattended, r.unattended),
    undoes = coalesce(n.undoes, r.undoes)
from
    jsonb_to_record($2::jsonb) as n (
        judged_at timestamptz,
        plan_hash text,
        approved_by text,
        verdict_before text,
        verdict text,
        planned integer,
        changed integer,
        skipped integer,
        executed integer,
        unattended boolean,
        undoes text
    )
where r.run_id = $1
