{#
    Says on_call without a live call, and all is quiet.
    s: session_findings' sessions; clock: the clock.
#}
{% macro invalid_on_call(s, clock) -%}
    coalesce(
        not {{ s }}.is_held
        and not {{ s }}.agent_has_live_call
        and not {{ s }}.has_live_call
        and {{ s }}.status = {{ literal(var('on_call_status')) }}
        and {{ session_is_quiet(s, clock) }},
        false
    )
{%- endmacro %}
