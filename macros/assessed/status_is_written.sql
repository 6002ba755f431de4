{# Whether a repair changes what a session's status says. #}
{% macro status_is_written() %}
    {{ return(is_written('sessions_status_column') or other_written_columns() | length > 0) }}
{% endmacro %}
