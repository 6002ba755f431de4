{#
    Refers to a call that is missing or over, all is quiet, and the call is not the only evidence of life.
    s: session_findings' sessions; clock: the clock.
#}
{% macro orphaned_call_reference(s, clock) -%}
    coalesce(
        not {{ s }}.is_held
        and not {{ s }}.agent_has_live_call
        and {{ s }}.current_call_id is not null
        and not {{ s }}.call_is_live
        and {{ session_is_quiet(s, clock) }}
        and not {{ reference_is_evidence(s, clock) }},
        false
    )
{%- endmacro %}
