{# The rules of the history suite over one closed session, as columns. s: its alias. #}
{% macro closed_session_rules(s) -%}
    {{ reversed_session_times(s) }} as reversed_session_times,
    {{ activity_after_logout(s) }} as activity_after_logout,
    {{ closed_but_working(s) if status_is_written() else 'false' }} as closed_but_working,
    {{ extreme_session_times(s) }} as extreme_session_times
{%- endmacro %}
