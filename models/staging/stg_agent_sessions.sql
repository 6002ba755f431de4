{%- set columns = app_columns('agent_sessions') -%}
{%- set activity_type = app_column_type(columns, 'sessions_last_activity_column') -%}
{%- set heartbeat_type = type_of_heartbeat(columns) -%}
{%- set heartbeat = value_if_present(columns, 'sessions_last_heartbeat_column') -%}
{%- set activity = app_value(columns, 'sessions_last_activity_column') -%}
{%- set login_at = app_value(columns, 'sessions_login_at_column') -%}
{%- set logout_at = app_value(columns, 'sessions_logout_at_column') -%}
{%- set logout_type = app_column_type(columns, 'sessions_logout_at_column') -%}
{%- set login_type = app_column_type(columns, 'sessions_login_at_column') -%}

-- What a declared column says while the application does not have it yet. Below, an unqualified name finds the
-- application's column where there is one and this one otherwise: the same SQL works before and after the migration.
with absent as (
    select
        null::{{ activity_type }} as {{ quoted(var('sessions_last_heartbeat_column')) }},
        null::boolean as {{ quoted(var('sessions_device_connected_column')) }},
        1 as {{ quoted(var('sessions_max_concurrent_calls_column')) }}
),

renamed as (
    select
        present.session_id,
        present.agent_id,
        present.status,
        present.current_call_id,
        present.is_open,
        present.login_at,
        present.logout_at,
        present.last_activity_at,
        present.last_heartbeat_at,
        present.earliest_login_at,
        present.earliest_activity_at,
        present.earliest_heartbeat_at,
        present.compared_login_at,
        present.compared_logout_at,
        present.latest_possible_at,
        present.device_connected,
        present.max_concurrent_calls
    from absent
    cross join lateral (  -- noqa: ST05
        select
            {{ app_value(columns, 'sessions_id_column') }} as session_id,
            {{ app_value(columns, 'sessions_agent_id_column') }} as agent_id,
            {{ app_value(columns, 'sessions_status_column') }}::text as status,
            {{ call_reference(columns) }} as current_call_id,
            {{ session_is_open(columns) }} as is_open,
            {{ instant(login_at, login_type) }} as login_at,
            {{ instant(logout_at, logout_type) }} as logout_at,
            {{ compared_instant(activity, activity_type) }} as last_activity_at,
            {{ compared_instant(heartbeat, heartbeat_type) }} as last_heartbeat_at,
            {{ earliest_instant(login_at, login_type) }} as earliest_login_at,
            {{ earliest_instant(activity, activity_type) }} as earliest_activity_at,
            {{ earliest_instant(heartbeat, heartbeat_type) }} as earliest_heartbeat_at,
            {{ compared_instant(login_at, login_type) }} as compared_login_at,
            {{ compared_instant(logout_at, logout_type) }} as compared_logout_at,
            greatest(
                {{ earliest_instant(login_at, login_type) }},
                {{ earliest_instant(activity, activity_type) }},
                {{ earliest_instant(heartbeat, heartbeat_type) }}
            ) as latest_possible_at,
            {{ value_if_present(columns, 'sessions_device_connected_column') }} as device_connected,
            {{ value_if_present(columns, 'sessions_max_concurrent_calls_column') }} as max_concurrent_calls
        from {{ app_relation('agent_sessions') }} as session  -- noqa: AL05
    ) as present
)

select
    session_id,
    agent_id,
    status,
    current_call_id,
    is_open,
    login_at,
    logout_at,
    last_activity_at,
    last_heartbeat_at,
    earliest_login_at,
    earliest_activity_at,
    earliest_heartbeat_at,
    compared_login_at,
    compared_logout_at,
    latest_possible_at,
    device_connected,
    max_concurrent_calls
from renamed
