{# Ended before it began. c: a call. #}
{% macro reversed_call_times(c) -%}
    coalesce({{ c }}.ended_at < {{ c }}.started_at, false)
{%- endmacro %}
