{# Closed, and active clearly later, on every reading of an ambiguous hour. s: a closed session. #}
{% macro activity_after_logout(s) -%}
    coalesce(
        greatest({{ s }}.earliest_activity_at, {{ s }}.earliest_heartbeat_at)
        > {{ ordinary_time(s ~ '.logout_at') }} + {{ var('settle_minutes') }} * interval '1 minute',
        false
    )
{%- endmacro %}
