-- Record which receivers have not got a message; a state that a later run has sent again stays as it is.
-- $1: the results as a JSON array of key, claimed_until, undelivered.
update {{ ref('alerts') }} as a
set
    undelivered = n.undelivered,
    claimed_until = null
from
    jsonb_to_recordset($1::jsonb) as n (
        key text,
        claimed_until timestamptz,
        undelivered text[]
    )
where a.key = n.key
    and a.claimed_until = n.claimed_until
