{# When an abandoned session is taken to have ended, by configuration; both arguments are instants. #}
{% macro logout_when_closed(last_seen_at, judged_at) -%}
    {{ judged_at if var('closed_logout_at') == 'now' else last_seen_at }}
{%- endmacro %}
