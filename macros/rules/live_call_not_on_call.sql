{# Refers to a connected live call, but is available: would get a second call. s: a session of session_evidence. #}
{% macro live_call_not_on_call(s) -%}
    coalesce(
        {{ s }}.call_is_live
        and {{ s }}.call_status = {{ literal(var('connected_call_status')) }}
        and {{ s }}.status in ({{ literals(available_statuses()) }}),
        false
    )
{%- endmacro %}
