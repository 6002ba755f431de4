{# The live statuses of calls without those that are the status of a call that ended as well. #}
{% macro unfinished_call_statuses() %}
    {{ return(var('live_call_statuses') | reject('in', var('over_call_statuses')) | list) }}
{% endmacro %}
