{#
    The columns of one of the application's tables as the catalogue has them: name -> type, and
    for an enum its labels, for others none. A table that is not there is a mistake in the configuration.
    table: agents, agent_sessions or call_sessions, the names of the dbt source.
#}
{% macro app_columns(table) %}
    {% if not execute %}{{ return({}) }}{% endif %}
    {% set relation = source('application', table) %}
    {% call statement('app_columns', fetch_result=True) %}
        {{ columns_of_tables([app_table_name(table)]) }}
    {% endcall %}
    {% set columns = {} %}
    {% for row in load_result('app_columns')['data'] %}
        {% do columns.update({row[1]: {'type': row[2], 'labels': fromjson(row[3]) if row[3] else none}}) %}
    {% endfor %}
    {% if not columns %}
        {% do exceptions.raise_compiler_error(
            "rollcall: table " ~ var('app_schema') ~ "." ~ app_table_name(table) ~ " does not exist in database "
            ~ target.database ~ "; set the vars app_schema and " ~ app_table_var(table)
        ) %}
    {% endif %}
    {{ return(columns) }}
{% endmacro %}


{# The var that names the table: agents_table, sessions_table or calls_table. #}
{% macro app_table_var(table) %}
    {{ return({'agents': 'agents_table', 'agent_sessions': 'sessions_table', 'call_sessions': 'calls_table'}[table]) }}
{% endmacro %}


{% macro app_table_name(table) %}
    {{ return(var(app_table_var(table))) }}
{% endmacro %}
