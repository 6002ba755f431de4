{# Whether there is a column to write to. #}
{% macro is_written(column_var) %}
    {{ return(mapping_of(column_var)['column'] is not none) }}
{% endmacro %}
