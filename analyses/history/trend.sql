-- One row per rule: how what fails now compares with what failed when the rule was last recorded.
-- Lists of keys are the first of each rule in the order of the keys. Where one is cut off, only keys up to its last one
-- are compared, for what comes later is in one list and may be in the other: nothing is guessed.
-- $1: the rules' results as a JSON array of suite, name, failing, keys, waived_keys. $2: when they were judged.
with current as (
    select
        r.suite,
        r.name as rule,
        r.failing,
        r.keys,
        r.waived_keys,
        case when cardinality(r.keys) < r.failing then (select max(k) from unnest(r.keys) as k) end as last_key,
        cardinality(r.keys) >= r.failing as is_whole
    from
        jsonb_to_recordset($1::jsonb) as r (
            suite text,
            name text,
            failing bigint,
            keys text[],
            waived_keys text[]
        )
),

compared as (
    select
        c.suite,
        c.rule,
        c.failing,
        c.keys,
        c.waived_keys,
        c.last_key,
        c.is_whole,
        p.run_id,
        p.stage,
        p.recorded_at,
        p.failing_since,
        p.sample_keys as keys_before,
        p.keys_since as since_before,
        p.violations - p.waived as failing_before,
        cardinality(p.sample_keys) >= p.violations - p.waived as was_whole,
        case
            when cardinality(p.sample_keys) < p.violations - p.waived
                then (select max(k) from unnest(p.sample_keys) as k)
        end as last_key_before
    from current as c
    cross join lateral (
        select
            r.run_id,
            r.stage,
            r.recorded_at,
            r.failing_since,
            r.sample_keys,
            r.keys_since,
            r.violations,
            r.waived
        from {{ ref('rule_results') }} as r
        where r.suite = c.suite
            and r.rule = c.rule
        order by r.recorded_at desc
        limit 1
    ) as p
),

keys_now as (
    select
        c.suite,
        c.rule,
        n.key,
        n.position
    from compared as c
    cross join lateral unnest(c.keys) with ordinality as n (key, position)
),

keys_before as (
    select
        c.suite,
        c.rule,
        b.key,
        b.since
    from compared as c
    cross join lateral unnest(c.keys_before, c.since_before) as b (key, since)
),

both_keys as (
    select
        n.position,
        b.since,
        coalesce(n.suite, b.suite) as suite,
        coalesce(n.rule, b.rule) as rule,
        coalesce(n.key, b.key) as key,
        n.key is not null as is_now,
        b.key is not null as was_before
    from keys_now as n
    full join keys_before as b
        on b.suite = n.suite
            and b.rule = n.rule
            and b.key = n.key
),

keys as (
    select
        k.suite,
        k.rule,
        k.key,
        k.position,
        k.is_now,
        k.was_before,
        k.since,
        not k.is_now and k.key = any(c.waived_keys) as is_waived,
        (c.is_whole or k.key <= c.last_key) and (c.was_whole or k.key <= c.last_key_before) as is_comparable
    from both_keys as k
    join compared as c
        on c.suite = k.suite
            and c.rule = k.rule
)

select
    c.suite,
    c.rule,
    c.run_id,
    c.stage,
    c.recorded_at,
    c.failing_before,
    case
        when c.failing > 0
            then coalesce(case when c.failing_before > 0 then c.failing_since end, $2::timestamptz)
    end as failing_since,
    (c.is_whole and c.was_whole) as is_whole,
    coalesce(array_agg(k.key order by k.position) filter (
        where k.is_comparable and k.is_now and not k.was_before
    ), '{}') as new_keys,
    count(*) filter (where k.is_comparable and k.is_now and k.was_before) as persisting,
    coalesce(array_agg(k.key order by k.key) filter (
        where k.is_comparable and not k.is_now and not k.is_waived
    ), '{}') as resolved_keys,
    -- parallel to the keys given; null where it is not known
    coalesce(array_agg(
        case
            when k.was_before then k.since
            when k.is_comparable then $2::timestamptz
        end
        order by k.position
    ) filter (where k.is_now), '{}') as keys_since
from compared as c
left join keys as k
    on k.suite = c.suite
        and k.rule = c.rule
group by
    c.suite,
    c.rule,
    c.run_id,
    c.stage,
    c.recorded_at,
    c.failing,
    c.failing_before,
    c.failing_since,
    c.is_whole,
    c.was_whole
