{# No time of its own says that the session was ever alive. s: a session of session_evidence. #}
{% macro no_sign_of_life(s) -%}
    ({{ s }}.login_at is null and {{ s }}.last_activity_at is null and {{ s }}.last_heartbeat_at is null)
{%- endmacro %}
