{# A status that is in none of the configured lists, or none at all. c: a call. #}
{% macro unknown_call_status(c) -%}
    coalesce(not {{ c }}.has_known_status, true)
{%- endmacro %}
