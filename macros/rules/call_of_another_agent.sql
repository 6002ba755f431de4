{# Refers to a live call that belongs to another agent. s: a session of session_evidence. #}
{% macro call_of_another_agent(s) -%}
    coalesce({{ s }}.call_is_live and {{ s }}.call_agent_id <> {{ s }}.agent_id, false)
{%- endmacro %}
