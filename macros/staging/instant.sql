{#
    A column of the application as an instant (timestamptz). A naive column is read in app_time_zone; in the
    hour that autumn repeats PostgreSQL takes the later reading, which is the careful one for idleness.
    expression: SQL over columns of that type; type: the catalogue's name of the type.
#}
{% macro instant(expression, type) -%}
    {%- if 'with time zone' in type -%}
        {{ expression }}
    {%- else -%}
        (({{ expression }}) at time zone {{ literal(var('app_time_zone')) }})
    {%- endif -%}
{%- endmacro %}
