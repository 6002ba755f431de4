{#
    Nothing happened for settle_minutes: no call moved, and last_activity is older unless a heartbeat explains it, which
    one of an ambiguous hour does not.
    s: a session of session_evidence; clock: the alias of the clock.
#}
{% macro session_is_quiet(s, clock) -%}
    (
        coalesce({{ s }}.calls_moved_at < {{ clock }}.settled_before, true)
        and (
            {{ s }}.last_activity_at < {{ clock }}.settled_before
            or coalesce(
                {{ s }}.last_activity_at
                <= {{ ordinary_time(s ~ '.last_heartbeat_at') }}
                + {{ var('heartbeat_explains_seconds') }} * interval '1 second'
                and not {{ is_ambiguous(s ~ '.last_heartbeat_at', type_of_heartbeat(app_columns('agent_sessions'))) }},
                false
            )
        )
    )
{%- endmacro %}
