{# The statuses in which an agent works: those that Rollcall knows by meaning, and the application's others. #}
{% macro working_statuses() %}
    {{ return(available_statuses() + on_call_statuses() + break_statuses() + var('other_working_statuses')) }}
{% endmacro %}
