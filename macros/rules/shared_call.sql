{# Refers to a live call to which another open session refers too. s: a session of floor. #}
{% macro shared_call(s) -%}
    coalesce({{ s }}.call_is_live and {{ s }}.sessions_on_call > 1, false)
{%- endmacro %}
