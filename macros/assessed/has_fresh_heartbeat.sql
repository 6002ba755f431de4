{# Whether the latest heartbeat of a session proves presence. s: a session of session_findings. #}
{% macro has_fresh_heartbeat(s) -%}
    coalesce({{ s }}.last_heartbeat_at >= {{ s }}.present_since, false)
{%- endmacro %}
