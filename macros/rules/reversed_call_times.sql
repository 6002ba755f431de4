{# Ended before it began, on every reading of an ambiguous hour. c: a call. #}
{% macro reversed_call_times(c) -%}
    coalesce({{ c }}.ended_at < {{ c }}.earliest_started_at, false)
{%- endmacro %}
