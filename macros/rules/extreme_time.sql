{# A time of the session, or of the call it refers to, that cannot be calculated with. s: session_evidence. #}
{% macro extreme_time(s) -%}
    (
        {{ is_extreme_time(s ~ '.login_at') }}
        or {{ is_extreme_time(s ~ '.last_activity_at') }}
        or {{ is_extreme_time(s ~ '.last_heartbeat_at') }}
        or {{ is_extreme_time(s ~ '.call_started_at') }}
        or {{ is_extreme_time(s ~ '.call_connected_at') }}
        or {{ is_extreme_time(s ~ '.call_ended_at') }}
    )
{%- endmacro %}
