{# Whether a plain column is read as it is stored, without names for its raw values. #}
{% macro is_read_as_written(column_var) %}
    {{ return(is_plain(column_var) and not mapping_of(column_var)['values']) }}
{% endmacro %}
