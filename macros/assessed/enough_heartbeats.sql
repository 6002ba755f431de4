{# Whether the heartbeat feed is alive. fresh: how many fresh heartbeats there are; due: how many there should be. #}
{% macro enough_heartbeats(fresh, due) -%}
    ({{ fresh }} >= greatest({{ var('heartbeat_feed_min_share') }} * ({{ due }}), 1))
{%- endmacro %}
