{# The labels of the enum of a plain column, from the catalog; of any other column an empty mapping. #}
{% macro labels_of(columns, column_var) %}
    {% set mapping = mapping_of(column_var) %}
    {{ return(columns.get(mapping['column'], {}) if is_plain(column_var) and not mapping['values'] else {}) }}
{% endmacro %}
