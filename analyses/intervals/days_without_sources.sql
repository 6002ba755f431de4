-- One row: how many built days could not be built again as they are, because calls or looks of them are gone.
select count(*) as days
from {{ ref('built_days') }} as b
where b.is_final
    or (
        b.calls > 0
        and b.ends_at <= coalesce(
            (select min({{ shown_call_dated_at('c') }}) from {{ ref('calls') }} as c),
            'infinity'
        )
    )
    or (
        b.looks > 0
        and b.ends_at <= coalesce((select min(l.look_at) from {{ ref('presence_looks') }} as l), 'infinity')
    )
