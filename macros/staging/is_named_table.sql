{# Whether it is one table or view of the application, and not an expression or nothing. #}
{% macro is_named_table(table) %}
    {{ return(var(app_table_var(table)) is string) }}
{% endmacro %}
