{# Whether it is one column of a table, read as it is: what an index can have. #}
{% macro is_plain(column_var) %}
    {% set mapping = mapping_of(column_var) %}
    {{ return(mapping['column'] is not none and mapping['sql'] is none) }}
{% endmacro %}
