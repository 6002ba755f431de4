{# A configured column of the application, quoted; one that its table lacks is a mistake in the configuration. #}
{% macro app_column(columns, column_var) -%}
    {%- do app_column_type(columns, column_var) -%}
    {{ quoted(var(column_var)) }}
{%- endmacro %}
