{# Closed, and active clearly later. s: a closed session. #}
{% macro activity_after_logout(s) -%}
    coalesce(
        greatest({{ s }}.last_activity_at, {{ s }}.last_heartbeat_at)
        > {{ s }}.logout_at + {{ var('settle_minutes') }} * interval '1 minute',
        false
    )
{%- endmacro %}
