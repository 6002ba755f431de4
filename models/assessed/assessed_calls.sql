-- One row per call that has not ended, that says it is live, or to which an open session refers; one boolean per rule.
with calls as (
    select
        call_id,
        dated_at,
        has_ended,
        has_live_status,
        has_known_status
    from {{ ref('stg_call_sessions') }}
    where is_unfinished
        and {{ calls_are_read_by_agent() }}

    union all

    select
        call_id,
        dated_at,
        has_ended,
        has_live_status,
        has_known_status
    from {{ ref('read_calls') }}
    where is_unfinished
        and not {{ calls_are_read_by_agent() }}

    union all

    select distinct
        c.call_id,
        c.dated_at,
        c.has_ended,
        c.has_live_status,
        c.has_known_status
    from {{ ref('open_sessions') }} as s
    join {{ ref('stg_call_sessions') }} as c on c.call_id = s.current_call_id
    where s.current_call_id is not null
        and c.is_unfinished is not true -- null: ended, without a status
)

select
    c.call_id,
    {{ unknown_call_status('c') }} as unknown_call_status,
    {{ zombie_call('c', 'clock') }} as zombie_call,
    {{ ended_call_still_live('c') }} as ended_call_still_live
from calls as c
cross join {{ ref('clock') }} as clock
