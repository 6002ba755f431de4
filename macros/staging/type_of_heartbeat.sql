{# The type of the heartbeat of a session; while its table has none that of the activity, which it will take. #}
{% macro type_of_heartbeat(columns) %}
    {% set activity_type = app_column_type(columns, 'sessions_last_activity_column') %}
    {{ return(columns.get(var('sessions_last_heartbeat_column'), {}).get('type', activity_type)) }}
{% endmacro %}
