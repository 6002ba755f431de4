-- Every flag that was ever switched.
select
    name,
    is_on,
    changed_at,
    changed_by
from {{ ref('flags') }}
order by name
