{# A time of the session that cannot be calculated with. s: a closed session. #}
{% macro extreme_session_times(s) -%}
    (
        {{ is_extreme_time(s ~ '.earliest_login_at') }}
        or {{ is_extreme_time(s ~ '.logout_at') }}
        or {{ is_extreme_time(s ~ '.earliest_activity_at') }}
        or {{ is_extreme_time(s ~ '.earliest_heartbeat_at') }}
    )
{%- endmacro %}
