-- One row per session still to be repaired: the rules that chose it, the strongest of their remedies, the values
-- before and after, and the evidence. Times of the application's columns are in the application's own form.
{%- set columns = app_columns('agent_sessions') -%}
{%- set status_type = app_column_type(columns, 'sessions_status_column') -%}
{%- set logout_type = app_column_type(columns, 'sessions_logout_at_column') %}

with chosen as (
    select
        session_id,
        agent_id,
        login_at,
        status,
        current_call_id,
        call_exists,
        call_status,
        call_started_at,
        call_ended_at,
        last_seen_at,
        judged_at,
        is_present,
        array_remove(
            array[
                case when abandoned_session then 'abandoned_session' end,
                case when orphaned_call_reference then 'orphaned_call_reference' end,
                case when invalid_on_call then 'invalid_on_call' end
            ],
            null
        ) as rules,
        case
            when abandoned_session then 'close'
            when invalid_on_call then 'reset_status'
            else 'clear_reference'
        end as remedy
    from {{ ref('session_findings') }}
    where abandoned_session or orphaned_call_reference or invalid_on_call
),

repaired as (
    select
        session_id,
        agent_id,
        login_at,
        status,
        current_call_id,
        call_exists,
        call_status,
        call_started_at,
        call_ended_at,
        last_seen_at,
        judged_at,
        rules,
        remedy,
        case
            when remedy = 'close' then {{ literal(var('closed_status')) }}
            when remedy = 'reset_status' and is_present then {{ literal(var('available_status')) }}
            when remedy = 'reset_status' then {{ literal(var('break_status')) }}
            else status
        end as status_after,
        case
            when remedy = 'close' then {{ from_instant(logout_when_closed('last_seen_at', 'judged_at'), logout_type) }}
        end as logout_at_after
    from chosen
)

select
    session_id,
    agent_id,
    login_at,
    status,
    current_call_id,
    rules,
    remedy,
    status_after,
    logout_at_after,
    last_seen_at,
    judged_at,
    jsonb_build_object(
        'status', status,
        'current_call_id', current_call_id::text,
        'logout_at', null
    ) as before,
    jsonb_build_object(
        'status', status_after,
        'current_call_id', null,
        'logout_at', logout_at_after
    ) as after,
    jsonb_build_object(
        'last_seen_at', last_seen_at at time zone 'UTC',
        'idle_seconds', round({{ seconds_between('last_seen_at', 'judged_at') }}),
        'call_exists', case when current_call_id is not null then call_exists end,
        'call_status', call_status,
        'call_started_at', call_started_at at time zone 'UTC',
        'call_ended_at', call_ended_at at time zone 'UTC'
    ) as evidence
from repaired
