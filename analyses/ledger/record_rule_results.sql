-- Record what was judged, and prune what is too old of the same rules; a rule's latest result stays whatever its age,
-- so that it stays known since when something fails.
-- $1: run_id. $2: stage (before or after). $3: the rules' results as a JSON array.
with results as (
    select
        r.name,
        r.suite,
        r."check",
        r.severity,
        r.violations,
        r.keys,
        r.waived,
        r.keys_since,
        r.failing_since,
        r.new,
        r.persisting,
        r.resolved,
        r.resolved_keys
    from
        jsonb_to_recordset($3::jsonb) as r (
            name text,
            suite text,
            "check" text,
            severity text,
            violations bigint,
            keys text[],
            waived bigint,
            keys_since timestamptz[],
            failing_since timestamptz,
            new bigint,
            persisting bigint,
            resolved bigint,
            resolved_keys text[]
        )
),

pruned as (
    delete from {{ ref('rule_results') }} as old
    using results as r
    where old.suite = r.suite
        and old.rule = r.name
        and old.recorded_at < now() - {{ var('rule_results_keep_days') }} * interval '1 day'
)

insert into {{ ref('rule_results') }} (
    run_id,
    stage,
    rule,
    suite,
    check_name,
    severity,
    violations,
    sample_keys,
    waived,
    keys_since,
    failing_since,
    new,
    persisting,
    resolved,
    resolved_keys
)
select
    $1 as run_id,
    $2 as stage,
    name,
    suite,
    "check",
    severity,
    violations,
    keys,
    waived,
    keys_since,
    failing_since,
    new,
    persisting,
    resolved,
    resolved_keys
from results
