-- One row per statement on the application's schema, or for our own schemas, that is still missing.
select
    position,
    kind,
    object_name,
    state,
    statement,
    reason,
    lock,
    warning,
    in_transaction
from {{ ref('declared_changes') }}
where is_pending
order by position
