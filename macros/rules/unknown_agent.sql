{# The session's agent does not exist. s: a session of session_evidence. #}
{% macro unknown_agent(s) -%}
    coalesce(not {{ s }}.agent_exists, true)
{%- endmacro %}
