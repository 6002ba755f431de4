{# Ended, and its status is live. c: a call. #}
{% macro ended_call_still_live(c) -%}
    coalesce({{ c }}.has_live_status and {{ c }}.has_ended, false)
{%- endmacro %}
