-- Write the states of alerts. $1: the states as a JSON array.
insert into {{ ref('alerts') }} as a (
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
)
select
    n.key,
    n.kind,
    n.severity,
    n.value,
    n.told,
    n.pending,
    n.pending_value,
    n.pending_since,
    n.message,
    n.first_seen,
    n.last_seen,
    n.sent_at,
    n.resolved_at,
    n.undelivered,
    n.attempts,
    n.claimed_until
from jsonb_populate_recordset(null::{{ ref('alerts') }}, $1::jsonb) as n
on conflict (key) do update
    set
        kind = excluded.kind,
        severity = excluded.severity,
        value = excluded.value,
        told = excluded.told,
        pending = excluded.pending,
        pending_value = excluded.pending_value,
        pending_since = excluded.pending_since,
        message = excluded.message,
        first_seen = excluded.first_seen,
        last_seen = excluded.last_seen,
        sent_at = excluded.sent_at,
        resolved_at = excluded.resolved_at,
        undelivered = excluded.undelivered,
        attempts = excluded.attempts,
        claimed_until = excluded.claimed_until
