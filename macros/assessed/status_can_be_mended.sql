{# Whether a session can be set to available or to break. #}
{% macro status_can_be_mended() %}
    {{ return(
        is_written('sessions_status_column')
        or (var('sessions_on_available') | length > 0 and var('sessions_on_break') | length > 0)
    ) }}
{% endmacro %}
