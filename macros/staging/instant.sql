{#
    A column of the application as an instant (timestamptz). A naive column is read in app_time_zone; in the
    ambiguous hour of autumn PostgreSQL takes the later reading, which is the careful one for idleness.
    An extreme time need not have an instant in another zone than UTC, so it is read in UTC.
    expression: SQL over columns of that type; type: the catalog's name of the type.
#}
{% macro instant(expression, type) -%}
    {%- if 'with time zone' in type -%}
        {{ expression }}
    {%- elif is_utc() -%}
        {{ plain_instant(expression, type) }}
    {%- else -%}
        (case
            when {{ expression }} between timestamp '0001-01-01' and timestamp '9999-12-31'
                then {{ plain_instant(expression, type) }}
            else ({{ expression }}) at time zone 'UTC'
        end)
    {%- endif -%}
{%- endmacro %}


{#
    The same instant as a comparison in a scan takes it: in UTC without the look-up of the zone, which takes as long as
    reading the row. The declared indexes have the other expression, so this one finds no row by them.
#}
{% macro compared_instant(expression, type) -%}
    {%- if 'with time zone' in type or not is_utc() -%}
        {{ instant(expression, type) }}
    {%- else -%}
        (({{ expression }}) at time zone interval '0')
    {%- endif -%}
{%- endmacro %}


{# The same without a guard: an extreme time is an error where the zone moves it out of PostgreSQL's range. #}
{% macro plain_instant(expression, type) -%}
    {%- if 'with time zone' in type -%}
        {{ expression }}
    {%- else -%}
        (({{ expression }}) at time zone {{ literal(var('app_time_zone')) }})
    {%- endif -%}
{%- endmacro %}


{# Whether the application writes its naive times in UTC, which has no ambiguous hour. #}
{% macro is_utc() %}
    {{ return(var('app_time_zone') | upper in ['UTC', 'ETC/UTC']) }}
{% endmacro %}
