{#
    The value of a configured column of the application, by the name of the column in a query on its table. A domain is
    read as its base type: PostgreSQL compares no domain over an enum, and no view of ours then depends on the domain.
#}
{% macro app_value(columns, column_var) -%}
    {%- do app_column_type(columns, column_var) -%}
    {{ value_if_present(columns, column_var) }}
{%- endmacro %}


{# The same for a declared column, which the table may not have yet. #}
{% macro value_if_present(columns, column_var) -%}
    {%- set column = columns.get(var(column_var), {}) -%}
    {{ quoted(var(column_var)) }}{{ "::" ~ column.type if column.is_domain }}
{%- endmacro %}
