-- One row per rule of the history suite and key of what violates it, all of them.
-- the linter would indent `lateral (values ...)` as if the join went on:
-- noqa: disable=LT02
select
    rules.rule,
    'session' as subject,
    s.session_id::text as key
from {{ ref('history_sessions') }} as s
cross join lateral (
    values
        ('reversed_session_times', s.reversed_session_times),
        ('activity_after_logout', s.activity_after_logout),
        ('closed_but_working', s.closed_but_working),
        ('extreme_session_times', s.extreme_session_times)
) as rules (rule, is_violated)
where rules.is_violated

union all

select
    rules.rule,
    'call' as subject,
    c.call_id::text as key
from {{ ref('history_calls') }} as c
cross join lateral (
    values
        ('reversed_call_times', c.reversed_call_times),
        ('extreme_call_times', c.extreme_call_times)
) as rules (rule, is_violated)
where rules.is_violated
