{#
    Open, no sign of life inside the window, and no live call of the agent.
    s: session_findings' sessions; clock: the clock.
#}
{% macro abandoned_session(s, clock) -%}
    coalesce(
        not {{ s }}.is_held
        and not {{ s }}.has_live_call
        and not {{ s }}.agent_has_live_call
        and {{ s }}.last_seen_at < {{ clock }}.abandoned_before,
        false
    )
{%- endmacro %}
