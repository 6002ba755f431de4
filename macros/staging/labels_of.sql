{# What the catalogue says of the enum of a plain column; of anything else nothing. #}
{% macro labels_of(columns, column_var) %}
    {% set mapping = mapping_of(column_var) %}
    {{ return(columns.get(mapping['column'], {}) if is_plain(column_var) and not mapping['values'] else {}) }}
{% endmacro %}
