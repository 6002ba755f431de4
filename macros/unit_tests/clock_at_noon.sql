{#
    The clock of every unit test: judged at noon of 1 March 2026 (UTC). Below, at and above a threshold are then
    instants that a person can read: abandoned before 10:00, live since 08:00, settled before 11:50, present since
    11:55, in the future after 12:01.
#}
{% macro clock_at_noon() -%}
select
    timestamptz '2026-03-01 12:00Z' as judged_at,
    timestamptz '2026-03-01 12:00Z' as current_at,
    timestamptz '2026-03-01 10:00Z' as abandoned_before,
    timestamptz '2026-03-01 08:00Z' as live_since,
    timestamptz '2026-03-01 11:50Z' as settled_before,
    timestamptz '2026-03-01 11:55Z' as present_since,
    timestamptz '2026-03-01 12:01Z' as future_after
{%- endmacro %}
