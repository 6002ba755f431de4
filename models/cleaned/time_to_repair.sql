-- One row per session and rule that a run repaired: when the rule was first seen to fail for it, and the repair.
with repairs as (
    select
        runs.run_id,
        runs.started_at,
        runs.judged_at,
        runs.undone_by,
        changes.session_id,
        changes.changed_at as repaired_at,
        unnest(changes.rules) as rule
    from {{ ref('changes') }} as changes
    join {{ ref('runs') }} as runs on runs.run_id = changes.run_id
    where runs.undoes is null -- an undo makes changes as well, and repairs nothing
),

repaired_rules as (
    select
        run_id,
        started_at,
        rule
    from repairs
    group by run_id, started_at, rule
),

-- of each run and rule the judgement that was recorded last before the repair: that of the run, or an earlier one
judgements as (
    select
        repaired.run_id,
        repaired.rule,
        latest.sample_keys,
        latest.keys_since,
        -- a key after the last one that is kept may have failed in a judgement before
        case
            when
                cardinality(latest.sample_keys) < latest.violations - latest.waived
                and (latest.run_id <> repaired.run_id or latest.new is not null)
                then coalesce(latest.sample_keys[cardinality(latest.sample_keys)], '')
        end as known_until
    from repaired_rules as repaired
    cross join lateral (
        select
            results.run_id,
            results.sample_keys,
            results.keys_since,
            results.violations,
            results.waived,
            results.new
        from {{ ref('rule_results') }} as results
        where results.suite = 'readiness'
            and results.rule = repaired.rule
            and (
                results.recorded_at < repaired.started_at
                or (results.run_id = repaired.run_id and results.stage = 'before')
            )
        order by results.recorded_at desc
        limit 1
    ) as latest
),

seen as (
    select
        run_id,
        rule,
        unnest(sample_keys) as session_id,
        unnest(keys_since) as first_seen_at -- in step with the keys
    from judgements
),

dated as (
    select
        repairs.session_id,
        repairs.rule,
        repairs.run_id,
        repairs.repaired_at,
        repairs.undone_by,
        case
            when seen.session_id is not null then seen.first_seen_at
            when judgements.known_until is null or repairs.session_id <= judgements.known_until then repairs.judged_at
        end as first_seen_at
    from repairs
    left join judgements
        on judgements.run_id = repairs.run_id
            and judgements.rule = repairs.rule
    left join seen
        on seen.run_id = repairs.run_id
            and seen.rule = repairs.rule
            and seen.session_id = repairs.session_id
)

select
    session_id,
    rule,
    run_id,
    first_seen_at,
    repaired_at,
    {{ seconds_unless_reversed('first_seen_at', 'repaired_at') }} as seconds_to_repair,
    undone_by
from dated
