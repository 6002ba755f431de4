{#
    Says on_call without a live call, all is quiet, and the call it refers to is not the only evidence of life.
    s: session_findings' sessions; clock: the clock.
#}
{% macro invalid_on_call(s, clock) -%}
    coalesce(
        not {{ s }}.is_held
        and not {{ s }}.agent_has_live_call
        and not {{ s }}.has_live_call
        and {{ s }}.status in ({{ literals(on_call_statuses()) }})
        and {{ session_is_quiet(s, clock) }}
        and not {{ reference_is_evidence(s, clock) }},
        false
    )
{%- endmacro %}
