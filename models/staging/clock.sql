-- The instant at which everything is judged, and every threshold as an instant. A plan is judged again at its own
-- instant (the setting rollcall.judged_at); without one it is the transaction's. An instant later than now is not
-- believed: it comes from a clock that was wrong, and would make living sessions abandoned.
with reading as (
    select
        least(
            nullif(current_setting('rollcall.judged_at', true), '')::timestamptz,
            now()
        ) as judged_at,
        now() as current_at
)

select
    judged_at,
    current_at,
    judged_at - {{ var('abandoned_after_hours') }} * interval '1 hour' as abandoned_before,
    judged_at - {{ var('live_call_max_hours') }} * interval '1 hour' as live_since,
    judged_at - {{ var('settle_minutes') }} * interval '1 minute' as settled_before,
    judged_at - {{ var('presence_minutes') }} * interval '1 minute' as present_since,
    current_at + {{ var('future_tolerance_minutes') }} * interval '1 minute' as future_after
from reading
