{# Whether it is known that a call is over, and a reference to it can be cleared. #}
{% macro reference_can_be_cleared() %}
    {{ return(is_written('sessions_call_id_column') and var('calls_table') is not none) }}
{% endmacro %}
