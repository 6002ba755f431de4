{# Available without a connected device, while the heartbeat feed is alive. s: a session of floor. #}
{% macro device_lost(s) -%}
    coalesce(
        {{ s }}.status in ({{ literals(available_statuses()) }})
        and not coalesce({{ s }}.device_connected, false)
        and {{ s }}.heartbeat_feed_is_alive,
        false
    )
{%- endmacro %}
