{# The statuses that mean on a call. #}
{% macro on_call_statuses() %}
    {{ return(var('on_call_statuses') or [var('on_call_status')]) }}
{% endmacro %}
