-- One row per rule of the history suite and key of what violates it, the first failing_keys_per_rule of each rule.
-- the linter would indent `lateral (values …)` as if the join went on:
-- noqa: disable=LT02
with findings as (
    select
        rules.rule,
        s.session_id::text as key
    from {{ ref('history_sessions') }} as s
    cross join lateral (
        values
            ('reversed_session_times', s.reversed_session_times),
            ('activity_after_logout', s.activity_after_logout),
            ('closed_but_working', s.closed_but_working)
    ) as rules (rule, is_violated)
    where rules.is_violated

    union all

    select
        'reversed_call_times' as rule,
        c.call_id::text as key
    from {{ ref('history_calls') }} as c
    where c.reversed_call_times
),

numbered as (
    select
        rule,
        key,
        row_number() over (partition by rule order by key) as position
    from findings
)

select
    rule,
    key
from numbered
where position <= {{ var('failing_keys_per_rule') }}
order by rule, key
