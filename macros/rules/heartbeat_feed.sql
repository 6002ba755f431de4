{#
    Works, is not abandoned and has no fresh heartbeat, while too few such sessions have one.
    s: a session of floor.
#}
{% macro heartbeat_feed(s) -%}
    coalesce(
        {{ s }}.should_send_heartbeats
        and not {{ s }}.has_fresh_heartbeat
        and not {{ s }}.heartbeat_feed_is_alive,
        false
    )
{%- endmacro %}
