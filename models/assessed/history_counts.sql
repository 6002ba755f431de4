-- One row: how often each rule of the history suite is violated, exactly.
with sessions as (
    select
        count(*) filter (where reversed_session_times) as reversed_session_times,
        count(*) filter (where activity_after_logout) as activity_after_logout,
        count(*) filter (where closed_but_working) as closed_but_working,
        count(*) filter (where extreme_session_times) as extreme_session_times
    from {{ ref('history_sessions') }}
),

calls as (
    select
        count(*) filter (where reversed_call_times) as reversed_call_times,
        count(*) filter (where extreme_call_times) as extreme_call_times
    from {{ ref('history_calls') }}
)

select
    sessions.reversed_session_times,
    calls.reversed_call_times,
    sessions.activity_after_logout,
    sessions.closed_but_working,
    sessions.extreme_session_times,
    calls.extreme_call_times
from sessions
cross join calls
