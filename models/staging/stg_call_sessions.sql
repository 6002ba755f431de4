{%- set columns = app_columns('call_sessions') -%}
{%- set status = app_value(columns, 'calls_status_column') -%}
{%- set direction = app_value(columns, 'calls_direction_column') -%}
{%- set started_at = app_value(columns, 'calls_started_at_column') -%}
{%- set started_type = app_column_type(columns, 'calls_started_at_column') -%}
{%- set connected_at = app_value(columns, 'calls_connected_at_column') -%}
{%- set connected_type = app_column_type(columns, 'calls_connected_at_column') -%}
{%- set ended_at = app_value(columns, 'calls_ended_at_column') -%}
{%- set ended_type = app_column_type(columns, 'calls_ended_at_column') -%}

-- One level only, without the `source` and `renamed` of the other staging models: of two levels PostgreSQL wraps every
-- column where this is the optional side of a join, and then finds no call by its key any more, but reads them all.
-- The alias is for the SQL of vars, so the linter may not see a use of it:
-- noqa: disable=AL05
select
    {{ app_value(columns, 'calls_id_column') }} as call_id,
    {{ app_value(columns, 'calls_agent_id_column') }} as agent_id,
    {{ status }}::text as status,
    {{ direction }}::text as direction,
    {{ compared_instant(started_at, started_type) }} as started_at,
    {{ earliest_instant(started_at, started_type) }} as earliest_started_at,
    {{ compared_instant(connected_at, connected_type) }} as connected_at,
    {{ compared_instant(ended_at, ended_type) }} as ended_at,
    -- as they are stored, so that an index of the application serves a range of them
    {{ started_at }} as stored_started_at,
    {{ ended_at }} as stored_ended_at,
    {{ call_dated_at(
        compared_instant(started_at, started_type),
        compared_instant(connected_at, connected_type),
        compared_instant(ended_at, ended_type)
    ) }} as dated_at,
    {{ call_moved_at(columns) }} as moved_at,
    greatest(
        {{ ordinary_time(compared_instant(started_at, started_type)) }},
        {{ ordinary_time(compared_instant(connected_at, connected_type)) }},
        {{ ordinary_time(compared_instant(ended_at, ended_type)) }}
    ) as last_changed_at,
    {{ sign_of_life_of_call(
        compared_instant(started_at, started_type),
        compared_instant(connected_at, connected_type),
        compared_instant(ended_at, ended_type),
        direction ~ '::text'
    ) }} as sign_of_life_at,
    {{ sign_of_life_of_call(
        earliest_instant(started_at, started_type),
        earliest_instant(connected_at, connected_type),
        earliest_instant(ended_at, ended_type),
        direction ~ '::text'
    ) }} as latest_possible_at,
    {{ ended_at }} is not null as has_ended,
    {{ is_extreme_time(compared_instant(ended_at, ended_type)) }} as has_extreme_end,
    coalesce(
        {{ has_live_status(columns, status, ended_at, ended_type) }},
        false
    ) as has_live_status,
    -- a live status says nothing of a call without any time to date it
    coalesce(
        {{ status }}::text in ({{ literals(var('over_call_statuses')) }})
        or (
            {{ status }}::text in ({{ literals(var('live_call_statuses')) }})
            and {{ call_dated_at(
                compared_instant(started_at, started_type),
                compared_instant(connected_at, connected_type),
                compared_instant(ended_at, ended_type)
            ) }} is not null
        ),
        false
    ) as has_known_status,
    ({{ call_is_unfinished(columns) }}) as is_unfinished
from {{ app_relation('call_sessions') }} as call
