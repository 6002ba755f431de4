{#
    Whether a working session counts for the heartbeat feed: it has a fresh heartbeat, or its client never sent one, or its
    agent was active when the last one was no longer fresh. An agent who fell silent altogether may have left, which says
    nothing about the feed. s: an open session; present_since: SQL of the limit of a fresh heartbeat.
#}
{% macro owes_heartbeat(s, present_since) -%}
    coalesce(
        {{ s }}.last_heartbeat_at >= {{ present_since }}
        or greatest({{ s }}.login_at, {{ s }}.last_activity_at)
        > {{ ordinary_time(s ~ '.last_heartbeat_at') }} + {{ var('presence_minutes') }} * interval '1 minute',
        {{ ordinary_time(s ~ '.last_heartbeat_at') }} is null
    )
{%- endmacro %}
