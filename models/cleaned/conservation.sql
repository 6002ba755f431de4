-- One row per kind of row, sessions and calls: the rows of the application against those of the cleaned view and of the
-- quarantine, and the talking time of each side. Every row of the application is on exactly one of the other sides.
with timed_calls as (
    select
        connected_at is not null and ended_at is not null as has_both_times,
        {{ seconds_unless_reversed('connected_at', 'ended_at') }} as talk_seconds
    from {{ ref('stg_call_sessions') }}
),

calls_of_the_application as (
    select
        count(*) as source_rows,
        sum(talk_seconds)::bigint as talk_seconds,
        count(*) filter (where has_both_times and talk_seconds is null) as calls_of_unknown_talk_time
    from timed_calls
),

cleaned_calls as (
    select
        count(*) as cleaned_rows,
        sum(talk_seconds)::bigint as talk_seconds
    from {{ ref('calls') }}
),

counted as (
    select
        'session' as subject,
        (select count(*) from {{ app_relation('agent_sessions') }}) as source_rows,
        (select count(*) from {{ ref('agent_sessions') }}) as cleaned_rows,
        (select count(*) from {{ ref('quarantined_sessions') }}) as quarantined_rows,
        null::bigint as source_talk_seconds,
        null::bigint as cleaned_talk_seconds,
        null::bigint as calls_of_unknown_talk_time

    union all

    select
        'call' as subject,
        source.source_rows,
        cleaned.cleaned_rows,
        0 as quarantined_rows,
        source.talk_seconds as source_talk_seconds,
        cleaned.talk_seconds as cleaned_talk_seconds,
        source.calls_of_unknown_talk_time
    from calls_of_the_application as source
    cross join cleaned_calls as cleaned
)

select
    subject,
    source_rows,
    cleaned_rows,
    quarantined_rows,
    source_talk_seconds,
    cleaned_talk_seconds,
    calls_of_unknown_talk_time,
    source_rows - cleaned_rows - quarantined_rows as difference,
    source_talk_seconds - cleaned_talk_seconds as talk_seconds_difference
from counted
