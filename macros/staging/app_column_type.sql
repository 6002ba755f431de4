{#
    The type of what a column var maps to: a column's type from the catalog (a domain's base type), the declared type of
    an expression, or the type of the null that stands for a column that the application does not have.
    columns: what app_columns gave; column_var: the name of the var.
#}
{% macro app_column_type(columns, column_var) %}
    {% if not execute %}{{ return('text') }}{% endif %}
    {% set mapping = mapping_of(column_var) %}
    {% if mapping['sql'] is not none %}{{ return(full_type_name(mapping['type'])) }}{% endif %}
    {% if mapping['values'] is not none %}{{ return('text') }}{% endif %}
    {% if mapping['column'] is none %}{{ return(type_of_nothing(column_var)) }}{% endif %}
    {{ return(app_raw_type(columns, column_var)) }}
{% endmacro %}


{# The type of a plain column, as the catalog has it; of a domain the base type. #}
{% macro app_raw_type(columns, column_var) %}
    {% if not execute %}{{ return('text') }}{% endif %}
    {% set column = mapping_of(column_var)['column'] %}
    {% if column not in columns %}
        {% do exceptions.raise_compiler_error(
            "rollcall: column " ~ column ~ " does not exist; set the var " ~ column_var
            ~ " (the table has: " ~ columns.keys() | sort | join(', ') ~ ")"
        ) %}
    {% endif %}
    {{ return(columns[column]['type']) }}
{% endmacro %}


{# What is compared with a key has the type of the key; the rest is a time, a truth value or a text. #}
{% macro type_of_nothing(column_var) %}
    {% if column_var == 'sessions_call_id_column' and var('calls_table') is not none %}
        {{ return(app_column_type(app_columns('call_sessions'), 'calls_id_column')) }}
    {% elif column_var == 'calls_id_column' and is_mapped('sessions_call_id_column') %}
        {{ return(app_column_type(app_columns('agent_sessions'), 'sessions_call_id_column')) }}
    {% elif column_var == 'calls_agent_id_column' %}
        {{ return(app_column_type(app_columns('agent_sessions'), 'sessions_agent_id_column')) }}
    {% elif column_var.endswith('_at_column') or column_var == 'sessions_last_activity_column' %}
        {{ return('timestamp with time zone') }}
    {% elif column_var in ['agents_is_active_column', 'agents_is_ai_agent_column'] %}
        {{ return('boolean') }}
    {% endif %}
    {{ return('text') }}
{% endmacro %}


{# A type as PostgreSQL's catalog spells it. #}
{% macro full_type_name(name) %}
    {{ return({
        'timestamptz': 'timestamp with time zone',
        'timestamp': 'timestamp without time zone',
    }.get(name | lower, name)) }}
{% endmacro %}
