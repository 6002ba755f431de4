{# An instant as the application would store it: in app_time_zone where its column is naive. #}
{% macro from_instant(expression, type) -%}
    {%- if 'with time zone' in type -%}
        ({{ expression }})::{{ type }}
    {%- else -%}
        (({{ expression }}) at time zone {{ literal(var('app_time_zone')) }})::{{ type }}
    {%- endif -%}
{%- endmacro %}
