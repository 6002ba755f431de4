-- The state of every alert, in the order of their keys.
select
    key,
    kind,
    severity,
    value,
    told,
    pending,
    pending_value,
    pending_since,
    message,
    first_seen,
    last_seen,
    sent_at,
    resolved_at,
    undelivered,
    attempts,
    claimed_until
from {{ ref('alerts') }}
order by key
