{# Whether an index on one of the application's tables can have what these vars map to: no expression and no view. #}
{% macro is_indexed(table, column_vars) %}
    {% set unfit = [] %}
    {% for column_var in column_vars if is_mapped(column_var) and not is_plain(column_var) %}
        {% do unfit.append(column_var) %}
    {% endfor %}
    {{ return(is_named_table(table) and table_is_stored(table) and not unfit) }}
{% endmacro %}


{# A plain column as a key of an index; of anything else nothing. #}
{% macro key_column(column_var) -%}
    {%- if is_plain(column_var) -%}{{ quoted(mapping_of(column_var)['column']) }}{%- endif -%}
{%- endmacro %}
