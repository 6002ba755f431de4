with judged as (
    select
        c.*,
        case
            when {{ call_is_live('c', 'clock.live_since') }} then true
            when not {{ call_may_be_live('c', 'clock.live_since') }} then false
        end as is_live,
        {{ unknown_call_status('c') }} as unknown_call_status,
        {{ zombie_call('c', 'clock') }} as zombie_call,
        {{ ended_call_still_live('c') }} as ended_call_still_live,
        {{ reversed_call_times('c') }} as reversed_call_times,
        {{ extreme_call_times('c') }} as extreme_call_times
    from {{ ref('stg_call_sessions') }} as c
    cross join {{ ref('clock') }} as clock
),

timed as (
    select
        judged.call_id,
        judged.agent_id,
        judged.direction,
        judged.status,
        judged.is_live,
        judged.stored_started_at,
        judged.stored_ended_at,
        {{ ordinary_time('judged.started_at') }} as started_at,
        {{ ordinary_time('judged.connected_at') }} as connected_at,
        judged.connected_at is not null as was_connected,
        {{ ordinary_time('judged.ended_at') }} as ended_at,
        {{ violated_rules('judged', rules_of('assessed_calls') + rules_of('history_calls')) }} as defects
    from judged
)

select
    call_id,
    agent_id,
    direction,
    status,
    is_live,
    {{ 'was_connected' if is_mapped('calls_connected_at_column') else 'null::boolean' }} as was_answered,
    started_at,
    connected_at,
    ended_at,
    stored_started_at,
    stored_ended_at,
    {% if is_mapped('calls_connected_at_column') -%}
        {{ seconds_unless_reversed('started_at', 'case when was_connected then connected_at else ended_at end') }}
    {%- else -%}
        null::bigint
    {%- endif %} as wait_seconds,
    {{ seconds_unless_reversed('connected_at', 'ended_at') }} as talk_seconds,
    defects
from timed
