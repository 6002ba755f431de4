{# Whether the application has a column, or an expression, for it. #}
{% macro is_mapped(column_var) %}
    {% set mapping = mapping_of(column_var) %}
    {{ return(mapping['column'] is not none or mapping['sql'] is not none) }}
{% endmacro %}
