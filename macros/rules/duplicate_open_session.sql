{# The agent has a newer open session. s: a session of session_evidence. #}
{% macro duplicate_open_session(s) -%}
    coalesce({{ s }}.recency > 1, false)
{%- endmacro %}
