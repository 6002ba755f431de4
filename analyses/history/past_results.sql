-- One row per rule and recorded judgement, the last report_runs of each rule, oldest first.
-- $1: the rules as a JSON array of suite and name.
-- the linter would indent `values` and `lateral` as if the join went on:
-- noqa: disable=LT02
select
    wanted.name as rule,
    past.recorded_at,
    past.violations,
    past.waived
from jsonb_to_recordset($1::jsonb) as wanted (suite text, name text)
cross join lateral (
    select
        r.recorded_at,
        r.violations,
        r.waived
    from {{ ref('rule_results') }} as r
    where r.suite = wanted.suite
        and r.rule = wanted.name
    order by r.recorded_at desc
    limit {{ var('report_runs') }}
) as past
order by wanted.suite, wanted.name, past.recorded_at
