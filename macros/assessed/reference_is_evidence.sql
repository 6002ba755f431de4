{#
    The call that the session refers to is the only evidence that keeps it inside the window. Without the reference the
    next judgement would find no sign of life, so the reference stays until the window has passed.
    s: a session of session_evidence; clock: the alias of the clock.
#}
{% macro reference_is_evidence(s, clock) -%}
    (
        {{ s }}.last_seen_at >= {{ clock }}.abandoned_before
        and not coalesce({{ s }}.last_seen_without_reference_at >= {{ clock }}.abandoned_before, false)
    )
{%- endmacro %}
