{# The rules that the clean-up repairs, as columns of session_findings. #}
{% macro repaired_rules() %}
    {{ return(['abandoned_session', 'orphaned_call_reference', 'invalid_on_call']) }}
{% endmacro %}


{# Whether the clean-up plan has the session. s: the alias of a session of session_findings. #}
{% macro needs_repair(s) -%}
    ({{ s }}.abandoned_session or {{ s }}.orphaned_call_reference or {{ s }}.invalid_on_call)
{%- endmacro %}


{#
    How a session is repaired, as one row of its remedy and of status, logout_at and current_call_id afterwards; of
    several remedies the strongest. A session that needs none has no remedy and keeps its values; an open one has no
    logout. A query without a table, for `cross join lateral`.
    s: the alias of a session of session_findings; is_present: whether its agent proved to be there; judged_at: when.
#}
{% macro repair(s, is_present, judged_at) -%}
    select
        case
            when {{ s }}.abandoned_session then 'close'
            when {{ s }}.invalid_on_call then 'reset_status'
            when {{ s }}.orphaned_call_reference then 'clear_reference'
        end as remedy,
        case
            when {{ s }}.abandoned_session then {{ literal(var('closed_status')) }}
            when {{ s }}.invalid_on_call and {{ is_present }} then {{ literal(available_statuses()[0]) }}
            when {{ s }}.invalid_on_call then {{ literal(break_statuses()[0]) }}
            else {{ s }}.status
        end as status,
        {% if is_written('sessions_logout_at_column') %}
        case
            when {{ s }}.abandoned_session then {{ logout_when_closed(s ~ '.last_seen_at', judged_at) }}
        end as logout_at,
        {% else %}
        null::timestamptz as logout_at,
        {% endif %}
        case when not {{ needs_repair(s) }} then {{ s }}.current_call_id end as current_call_id
{%- endmacro %}


{# The names of these rules that a session violates, as an array. s: an alias. #}
{% macro violated_rules(s, rules) -%}
    array_remove(array[{{ names_if_violated(s, rules) }}], null)
{%- endmacro %}


{% macro names_if_violated(s, rules) -%}
    {%- for rule in rules -%}
        case when {{ s }}.{{ rule }} then '{{ rule }}' end{{ ", " if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
