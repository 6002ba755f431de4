{# A status that is in none of the configured lists, or none at all. s: a session. #}
{% macro unknown_session_status(s) -%}
    coalesce({{ s }}.status not in ({{ literals(working_statuses() + var('not_working_statuses')) }}), true)
{%- endmacro %}
