-- the linter cannot follow the columns in a macro:
-- noqa: disable=LT02
{# What decides whether an inbound call may reach a session, as columns. s: a session of session_findings. #}
{% macro routing_facts(s) -%}
true as is_logged_in,
{{ s }}.status in ({{ literals(available_statuses()) }}) as is_available,
coalesce({{ s }}.device_connected, false) as has_device,
{{ has_fresh_heartbeat(s) }} as has_fresh_heartbeat,
coalesce({{ s }}.max_concurrent_calls, 1) - {{ s }}.agents_live_calls as free_call_slots
{%- endmacro %}


{#
    Why no inbound call may reach a session, as SQL of one text each, null where it does not hold.
    s: the alias of a session with routing_facts; flag: of a row with the state of route_by_heartbeat.
#}
{% macro reasons_against_routing(s, flag) -%}
case when {{ s }}.abandoned_session then 'abandoned' end,
case when {{ s }}.is_logged_in and {{ s }}.is_available is not true then 'not_available' end,
case when {{ flag }}.is_on and not {{ s }}.has_fresh_heartbeat then 'no_fresh_heartbeat' end,
case when {{ flag }}.is_on and not {{ s }}.has_device then 'device_not_connected' end,
case when {{ flag }}.is_on and {{ s }}.free_call_slots <= 0 then 'no_free_call_slot' end
{%- endmacro %}
