{# The statuses in which an agent works: the three that Rollcall knows by name, and the application's others. #}
{% macro working_statuses() %}
    {{ return([var('available_status'), var('on_call_status'), var('break_status')] + var('other_working_statuses')) }}
{% endmacro %}


{#
    status in (...), over a raw column: the labels that an enum does not have cannot be compared with it, and
    cannot occur either. Raw, and not cast to text, because an index predicate has to say the same.
#}
{% macro status_in(expression, statuses, column) -%}
    {%- set known = [] -%}
    {%- for status in statuses if not column['labels'] or status in column['labels'] -%}
        {%- do known.append(status) -%}
    {%- endfor -%}
    {%- if not known -%}
        {%- do exceptions.raise_compiler_error(
            "rollcall: the enum of " ~ expression ~ " has none of the statuses " ~ statuses | join(', ')
            ~ "; correct the lists of statuses"
        ) -%}
    {%- endif -%}
    {{ expression }} in ({{ literals(known) }})
{%- endmacro %}
