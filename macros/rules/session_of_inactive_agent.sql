{# Open, and its agent is deactivated. s: a session of session_evidence. #}
{% macro session_of_inactive_agent(s) -%}
    coalesce({{ s }}.agent_exists and not {{ s }}.agent_is_active, false)
{%- endmacro %}
