{# Ended before it began. s: a closed session. #}
{% macro reversed_session_times(s) -%}
    coalesce({{ s }}.logout_at < {{ s }}.login_at, false)
{%- endmacro %}
