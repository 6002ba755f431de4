{#
    A time of the session, or of the call it refers to, that cannot be calculated with; or such an end of a call of the
    agent, which may go on. s: session_evidence.
#}
{% macro extreme_time(s) -%}
    (
        {{ is_extreme_time(s ~ '.login_at') }}
        or {{ is_extreme_time(s ~ '.last_activity_at') }}
        or {{ is_extreme_time(s ~ '.last_heartbeat_at') }}
        or {{ is_extreme_time(s ~ '.call_started_at') }}
        or {{ is_extreme_time(s ~ '.call_connected_at') }}
        or {{ is_extreme_time(s ~ '.call_ended_at') }}
        or {{ s }}.agents_call_has_extreme_end
    )
{%- endmacro %}
