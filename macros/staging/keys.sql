{#
    A parameter that holds a list of keys, as a list of the type that the column has. The parameter itself has that type, so
    it is read once: a cast of a list of texts would be made anew for each row that a generic plan compares.
#}
{% macro keys(parameter, column_type) -%}
    {{ parameter }}::{{ column_type }}[]
{%- endmacro %}
