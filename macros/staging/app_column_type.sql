{#
    The type of one configured column, as the catalogue has it; of a domain the base type.
    columns: what app_columns gave; column_var: the var that names the column.
#}
{% macro app_column_type(columns, column_var) %}
    {% if not execute %}{{ return('text') }}{% endif %}
    {% if var(column_var) not in columns %}
        {% do exceptions.raise_compiler_error(
            "rollcall: column " ~ var(column_var) ~ " does not exist; set the var " ~ column_var
            ~ " (the table has: " ~ columns.keys() | sort | join(', ') ~ ")"
        ) %}
    {% endif %}
    {{ return(columns[var(column_var)]['type']) }}
{% endmacro %}
