-- One row per run, stage and rule: what was found, and when.
select
    results.run_id,
    runs.command,
    results.stage,
    runs.started_at,
    runs.judged_at,
    runs.verdict,
    results.suite,
    results.rule,
    results.check_name,
    results.severity,
    results.violations,
    results.sample_keys,
    results.waived,
    results.failing_since,
    results.new as new_violations,
    results.persisting as persisting_violations,
    results.resolved as resolved_violations,
    results.resolved_keys,
    results.recorded_at
from {{ ref('rule_results') }} as results
join {{ ref('runs') }} as runs on runs.run_id = results.run_id
