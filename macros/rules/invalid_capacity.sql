{# Allows no call at all, or an unknown number. Before the migration there is nothing to judge. s: a session. #}
{% macro invalid_capacity(s) -%}
    coalesce({{ s }}.max_concurrent_calls < 1, true)
{%- endmacro %}
