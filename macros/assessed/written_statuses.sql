{# The statuses that a repair writes. #}
{% macro written_statuses() %}
    {{ return([var('closed_status'), available_statuses()[0], break_statuses()[0]] | unique | list) }}
{% endmacro %}
