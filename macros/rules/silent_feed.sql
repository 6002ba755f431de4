{# No open session shows life of its own, while calls are connected: the feed is broken. feed: silent_feed's row. #}
{% macro silent_feed(feed) -%}
    coalesce({{ feed }}.contradicting_calls >= {{ var('silent_feed_min_calls') }}, false)
{%- endmacro %}
