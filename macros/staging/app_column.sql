{# A plain column of the application, quoted; one that its table lacks is a mistake in the configuration. #}
{% macro app_column(columns, column_var) -%}
    {%- do app_raw_type(columns, column_var) -%}
    {{ quoted(mapping_of(column_var)['column']) }}
{%- endmacro %}
