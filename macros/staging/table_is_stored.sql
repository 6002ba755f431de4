{# Whether it is a table that has rows of its own, and not a view. #}
{% macro table_is_stored(table) %}
    {{ return(app_columns(table).values() | selectattr('is_of_view') | list | length == 0) }}
{% endmacro %}
