{%- set columns = app_columns('call_sessions') -%}
{%- set status = app_column(columns, 'calls_status_column') -%}
{%- set started_at = app_column(columns, 'calls_started_at_column') -%}
{%- set started_type = app_column_type(columns, 'calls_started_at_column') -%}
{%- set connected_at = app_column(columns, 'calls_connected_at_column') -%}
{%- set connected_type = app_column_type(columns, 'calls_connected_at_column') -%}
{%- set ended_at = app_column(columns, 'calls_ended_at_column') -%}
{%- set ended_type = app_column_type(columns, 'calls_ended_at_column') -%}

with source as (
    select * from {{ source('application', 'call_sessions') }}
),

renamed as (
    select
        {{ app_column(columns, 'calls_id_column') }} as call_id,
        {{ app_column(columns, 'calls_agent_id_column') }} as agent_id,
        {{ status }}::text as status,
        {{ app_column(columns, 'calls_direction_column') }}::text as direction,
        {{ instant(started_at, started_type) }} as started_at,
        {{ instant(connected_at, connected_type) }} as connected_at,
        {{ instant(ended_at, ended_type) }} as ended_at,
        {{ call_moved_at(columns) }} as moved_at,
        {{ earliest_instant(started_at, started_type) }} as earliest_started_at,
        {{ earliest_instant(connected_at, connected_type) }} as earliest_connected_at,
        {{ earliest_instant(ended_at, ended_type) }} as earliest_ended_at,
        {{ ended_at }} is not null as has_ended,
        {{ status_in(status, var('live_call_statuses'), columns.get(var('calls_status_column'), {})) }}
            as has_live_status,
        ({{ call_is_unfinished(columns) }}) as is_unfinished
    from source
)

select
    call_id,
    agent_id,
    status,
    direction,
    started_at,
    connected_at,
    ended_at,
    moved_at,
    {{ sign_of_life_of_call('started_at', 'connected_at', 'ended_at') }} as sign_of_life_at,
    {{ sign_of_life_of_call('earliest_started_at', 'earliest_connected_at', 'earliest_ended_at') }}
        as latest_possible_at,
    has_ended,
    has_live_status,
    coalesce(status in ({{ literals(var('live_call_statuses') + var('over_call_statuses')) }}), false)
        as has_known_status,
    is_unfinished
from renamed
