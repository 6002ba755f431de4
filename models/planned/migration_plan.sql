-- One row per statement on the application's schema, or for our own schemas, that is still missing.
select
    position,
    kind,
    object_name,
    state,
    statement,
    reason,
    lock,
    in_transaction
from {{ ref('declared_changes') }}
where state in ('missing', 'invalid')
order by position, kind, object_name
