-- One row: how often each rule of the history suite is violated, exactly.
with sessions as (
    select
        {{ counted_rules('s', 'history_sessions') }}
    from {{ ref('history_sessions') }} as s
),

calls as (
    select
        {{ counted_rules('c', 'history_calls') }}
    from {{ ref('history_calls') }} as c
)

select
    sessions.*,
    calls.*
from sessions
cross join calls
