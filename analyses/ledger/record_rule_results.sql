-- $1: run_id. $2: stage (before or after). $3: the rules' results as a JSON array.
insert into {{ ref('rule_results') }} (
    run_id, stage, rule, suite, check_name, severity, violations, sample_keys
)
select
    $1 as run_id,
    $2 as stage,
    r.name,
    r.suite,
    r."check",
    r.severity,
    r.violations,
    r.sample_keys
from
    jsonb_to_recordset($3::jsonb) as r (
        name text,
        suite text,
        "check" text,
        severity text,
        violations bigint,
        sample_keys text[]
    )
