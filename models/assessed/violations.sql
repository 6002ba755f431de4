-- One row per rule and key of what violates it, all of them: the rules whose keys can be named, in one list.
-- the linter would indent `lateral (values ...)` as if the join went on:
-- noqa: disable=LT02
select
    rules.rule,
    'session' as subject,
    s.session_id::text as key
from {{ ref('assessed_sessions') }} as s
cross join lateral (
    values
        ('abandoned_session', s.abandoned_session),
        ('orphaned_call_reference', s.orphaned_call_reference),
        ('invalid_on_call', s.invalid_on_call),
        ('session_of_inactive_agent', s.session_of_inactive_agent),
        ('duplicate_open_session', s.duplicate_open_session),
        ('open_but_offline', s.open_but_offline),
        ('live_call_not_on_call', s.live_call_not_on_call),
        ('shared_call', s.shared_call),
        ('call_of_another_agent', s.call_of_another_agent),
        ('invalid_capacity', s.invalid_capacity),
        ('device_lost', s.device_lost),
        ('heartbeat_feed', s.heartbeat_feed),
        ('unknown_session_status', s.unknown_session_status),
        ('activity_in_future', s.activity_in_future),
        ('extreme_time', s.extreme_time),
        ('no_sign_of_life', s.no_sign_of_life),
        ('unknown_activity', s.unknown_activity),
        ('unknown_agent', s.unknown_agent)
) as rules (rule, is_violated)
where rules.is_violated

union all

select
    rules.rule,
    'call' as subject,
    c.call_id::text as key
from {{ ref('assessed_calls') }} as c
cross join lateral (
    values
        ('unknown_call_status', c.unknown_call_status),
        ('zombie_call', c.zombie_call),
        ('ended_call_still_live', c.ended_call_still_live)
) as rules (rule, is_violated)
where rules.is_violated
