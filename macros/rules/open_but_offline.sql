{# Says that its agent does not work, and has no logout_at. s: a session of session_evidence. #}
{% macro open_but_offline(s) -%}
    coalesce({{ s }}.status in ({{ literals(var('not_working_statuses')) }}), false)
{%- endmacro %}
