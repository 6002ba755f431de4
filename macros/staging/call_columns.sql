{# The latest instant at which anything happened to a call. The index rollcall_calls_of_agent has this expression. #}
{% macro call_moved_at(columns) -%}
    {{ instant(
        "greatest(" ~ quoted(var('calls_started_at_column'))
        ~ ", " ~ quoted(var('calls_connected_at_column'))
        ~ ", " ~ quoted(var('calls_ended_at_column')) ~ ")",
        app_column_type(columns, 'calls_started_at_column')
    ) }}
{%- endmacro %}


{# Every call that may be live, or should be over and is not. The index rollcall_unfinished_calls has this predicate. #}
{% macro call_is_unfinished(columns) -%}
    {{ quoted(var('calls_ended_at_column')) }} is null
    or {{ status_in(
        quoted(var('calls_status_column')),
        var('live_call_statuses'),
        columns.get(var('calls_status_column'), {})
    ) }}
{%- endmacro %}
