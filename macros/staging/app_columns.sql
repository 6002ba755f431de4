{#
    The columns of one of the application's tables as the catalog has them: name -> type, and for an enum its labels,
    for others none; of a domain the type and labels of its base type. A table that is not there is a mistake in the
    configuration.
    Of a `{sql}` relation they are the columns of its result; where no calls are known there are none.
    table: agents, agent_sessions or call_sessions, the names of the dbt source.
#}
{% macro app_columns(table) %}
    {% if not execute or var(app_table_var(table)) is none %}{{ return({}) }}{% endif %}
    {% set columns = {} %}
    {% for row in application_columns() if row['table_name'] == app_table_name(table) %}
        {% do columns.update({row['column_name']: {
            'type': row['column_type'],
            'labels': fromjson(row['enum_labels']) if row['enum_labels'] else none,
            'is_domain': row['is_domain'],
            'is_of_view': row['is_of_view'],
        }}) %}
    {% endfor %}
    {% if not columns %}
        {% do exceptions.raise_compiler_error(
            "rollcall: table " ~ var('app_schema') ~ "." ~ app_table_name(table) ~ " does not exist in database "
            ~ target.database ~ "; set the vars app_schema and " ~ app_table_var(table)
        ) %}
    {% endif %}
    {{ return(columns) }}
{% endmacro %}


{#
    The rows of the model application_columns. Rollcall's own commands read them beforehand and give dbt no connection;
    a developer's dbt reads them here.
#}
{% macro application_columns() %}
    {% set given = var('application_columns', none) %}
    {% if given is not none %}{{ return(given) }}{% endif %}
    {% call statement('application_columns', fetch_result=True) %}
        {{ columns_of_tables(app_table_names()) }}
    {% endcall %}
    {% set rows = [] %}
    {% for row in load_result('application_columns')['data'] %}
        {% do rows.append({
            'table_name': row[0],
            'column_name': row[1],
            'column_type': row[2],
            'enum_labels': row[3],
            'is_domain': row[4],
            'is_of_view': row[5],
            'has_foreign_equality': row[6],
        }) %}
    {% endfor %}
    {{ return(rows) }}
{% endmacro %}


{# The var that names the table: agents_table, sessions_table or calls_table. #}
{% macro app_table_var(table) %}
    {{ return({'agents': 'agents_table', 'agent_sessions': 'sessions_table', 'call_sessions': 'calls_table'}[table]) }}
{% endmacro %}


{# Its name; of a `{sql}` relation the name under which application_columns has the columns of its result. #}
{% macro app_table_name(table) %}
    {% set given = var(app_table_var(table)) %}
    {{ return('the relation of ' ~ app_table_var(table) if given is mapping else given) }}
{% endmacro %}
