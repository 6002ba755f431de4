{# A parameter that holds a list of keys as text, as a list of the type that the column has. #}
{% macro keys(parameter, column_type) -%}
    ({{ parameter }}::text[])::{{ column_type }}[]
{%- endmacro %}
