{#
    Whether a session is open: it has no logout. Where the application has no logout, each row is an agent's for ever, and
    open while its status is none in which the agent does not work; a status that is not configured is not guessed at.
#}
{% macro session_is_open(columns) -%}
    {%- if is_mapped('sessions_logout_at_column') -%}
        {{ compared_with_null(columns, 'sessions_logout_at_column') }} is null
    {%- else -%}
        coalesce(
            {{ app_value(columns, 'sessions_status_column') }}::text not in ({{ literals(var('not_working_statuses')) }}),
            true
        )
    {%- endif -%}
{%- endmacro %}


{# The call that a session refers to, null for none, whatever the application writes for none. #}
{% macro call_reference(columns) -%}
    {%- if var('sessions_no_call') is not none and is_plain('sessions_call_id_column') -%}
        nullif({{ app_value(columns, 'sessions_call_id_column') }}, {{ literal(var('sessions_no_call')) }})
    {%- else -%}
        {{ app_value(columns, 'sessions_call_id_column') }}
    {%- endif -%}
{%- endmacro %}
