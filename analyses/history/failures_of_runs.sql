-- One row per run and rule that failed at the run's last judgement, or of which something was resolved. $1: run_ids.
with latest as (
    select distinct on (r.run_id, r.suite, r.rule)
        r.run_id,
        r.rule,
        r.severity,
        r.violations,
        r.waived,
        r.new,
        r.persisting,
        r.resolved,
        r.failing_since
    from {{ ref('rule_results') }} as r
    where r.run_id = any($1::text[])
    order by r.run_id asc, r.suite asc, r.rule asc, r.recorded_at desc
)

select
    run_id,
    rule,
    severity,
    violations,
    waived,
    new,
    persisting,
    resolved,
    failing_since
from latest
where violations > 0 or resolved > 0
order by
    run_id,
    case severity when 'blocking' then 1 when 'critical' then 2 when 'warning' then 3 else 4 end,
    rule
