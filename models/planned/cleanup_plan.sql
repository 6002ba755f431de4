-- One row per session still to be repaired: the rules that chose it, the strongest of their remedies, the values
-- before and after, and the evidence. Times of the application's columns are in the application's own form.
{%- set columns = app_columns('agent_sessions') -%}
{%- set logout_type = app_column_type(columns, 'sessions_logout_at_column') %}

with repaired as (
    select
        s.*,
        {{ violated_rules('s', repaired_rules()) }} as rules,
        repair.remedy,
        {{ 'repair.status' if status_is_written() else 's.status' }} as status_after,
        repair.current_call_id as current_call_id_after,
        {{ from_instant('repair.logout_at', logout_type) }} as logout_at_after
    from {{ ref('session_findings') }} as s
    cross join lateral ({{ repair('s', is_present='s.is_present', judged_at='s.judged_at') }}) as repair  -- noqa: ST05
    where {{ needs_repair('s') }}{{ ' and false' if var('read_only') }}
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
    latest_possible_at,
    judged_at,
    jsonb_build_object(
        'status', status,
        'current_call_id', current_call_id::text,
        'logout_at', null
    ) as before,
    jsonb_build_object(
        'status', status_after,
        'current_call_id', current_call_id_after::text,
        'logout_at', logout_at_after{{ and_declared_writes() }}
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
