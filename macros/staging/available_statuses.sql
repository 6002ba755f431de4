{# The statuses that mean available; the first is what a repair writes. #}
{% macro available_statuses() %}
    {{ return(var('available_statuses') or [var('available_status')]) }}
{% endmacro %}
