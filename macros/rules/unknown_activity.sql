{#
    On a call that is not live, no call moves, and the last activity is null: whether the session is quiet is unknown, so
    it is not repaired before it is abandoned. s: session_findings' sessions; clock: the clock.
#}
{% macro unknown_activity(s, clock) -%}
    coalesce(
        not {{ s }}.is_held
        and not {{ s }}.agent_has_live_call
        and {{ s }}.last_activity_at is null
        and ({{ s }}.status in ({{ literals(on_call_statuses()) }}) or {{ s }}.current_call_id is not null)
        and coalesce({{ s }}.calls_moved_at < {{ clock }}.settled_before, true)
        and {{ s }}.last_seen_without_reference_at >= {{ clock }}.abandoned_before,
        false
    )
{%- endmacro %}
