{# Ended before it began, on every reading of an ambiguous hour. s: a closed session. #}
{% macro reversed_session_times(s) -%}
    coalesce({{ s }}.logout_at < {{ s }}.earliest_login_at, false)
{%- endmacro %}
