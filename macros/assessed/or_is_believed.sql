{#
    Where no calls are known, a session that says that it is on one is believed, for live_call_max_hours after its last sign
    of life: the rest of a disjunction, or nothing. s: the sessions of session_evidence.
#}
{% macro or_is_believed(s) -%}
    {%- if var('calls_table') is none %}
 or coalesce({{ s }}.status in ({{ literals(on_call_statuses()) }}) and {{ s }}.last_seen_at > {{ s }}.live_since, false)
    {%- endif -%}
{%- endmacro %}
