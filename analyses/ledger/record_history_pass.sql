-- Record a reading of the history, and what fails in it, for the next one to begin with; the transaction's settings say
-- what was read. Keys beyond history_failures_kept are not kept: then the next reading is a whole one.
-- $1: run_id. $2: stage. $3: whether all was read. $4: since when otherwise. $5: when. $6: digest of the rules.
with violations as materialized (
    select
        v.rule,
        v.subject,
        v.key
    from {{ ref('history_violations') }} as v
),

counted as (
    select
        count(*) as violations,
        count(*) <= {{ var('history_failures_kept') }} as is_carried
    from violations
),

resolved as (
    update {{ ref('history_failures') }} as f
    set
        resolved_by = $1,
        resolved_at = clock_timestamp()
    where f.resolved_at is null
        and not exists (
            select 1
            from violations as v
            where v.rule = f.rule
                and v.key = f.key
        )
),

pruned as (
    delete from {{ ref('history_failures') }} as f
    where f.resolved_at < now() - {{ var('rule_results_keep_days') }} * interval '1 day'
),

found as (
    insert into {{ ref('history_failures') }} (rule, subject, key, found_by)
    select
        v.rule,
        v.subject,
        v.key,
        $1 as found_by
    from violations as v
    cross join counted
    where counted.is_carried
        and not exists (
            select 1
            from {{ ref('history_failures') }} as f
            where f.rule = v.rule
                and f.key = v.key
                and f.resolved_at is null
        )
)

insert into {{ ref('history_passes') }} (
    run_id, stage, is_full, since, read_at, definition, violations, is_carried
)
select
    $1 as run_id,
    $2 as stage,
    $3::boolean as is_full,
    $4::timestamptz as since,
    $5::timestamptz as read_at,
    $6 as definition,
    counted.violations,
    counted.is_carried
from counted
