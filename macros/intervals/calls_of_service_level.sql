{#
    The calls that the service level is a share of: the abandoned ones, and the answered ones with a known wait. Null in a
    row that an earlier version built, which does not say how many waits are known. q: a row of built_queue_intervals.
#}
{% macro calls_of_service_level(q) -%}
    {{ q }}.calls_abandoned + {{ q }}.calls_answered_with_known_wait
{%- endmacro %}
