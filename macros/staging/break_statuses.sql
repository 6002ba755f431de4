{# The statuses that mean a break; the first is what a repair writes. #}
{% macro break_statuses() %}
    {{ return(var('break_statuses') or [var('break_status')]) }}
{% endmacro %}
