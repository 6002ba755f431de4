{# A sign of life later than the clock allows, in the earlier reading. s: a session of session_evidence. #}
{% macro activity_in_future(s, clock) -%}
    coalesce({{ s }}.latest_possible_at > {{ clock }}.future_after, false)
{%- endmacro %}
