{#
    One of the application's tables or views, or a `{sql}` relation, to select from with an alias: agent, session or call,
    which the expressions of column vars use. Where no calls are known it has no row.
    table: agents, agent_sessions or call_sessions, the names of the dbt source.
#}
{% macro app_relation(table) -%}
    {%- set given = var(app_table_var(table)) -%}
    {%- if given is none -%}
        (select where false)
    {%- elif given is mapping -%}
        ({{ given['sql'] }})
    {%- else -%}
        {{ source('application', table) }}
    {%- endif -%}
{%- endmacro %}


{# The names of the application's tables and views that are read. #}
{% macro app_table_names() %}
    {{ return([var('agents_table'), var('sessions_table'), var('calls_table')] | select('string') | list) }}
{% endmacro %}


{# The name of the dbt source of a part: agents, sessions or calls. #}
{% macro source_of(part) %}
    {{ return({'agents': 'agents', 'sessions': 'agent_sessions', 'calls': 'call_sessions'}[part]) }}
{% endmacro %}


{#
    The tables, quoted, that views and the SQL of vars read beside the application's tables.
    through_views: with those that only a view reads, with the rights of its owner.
#}
{% macro tables_read_beside(through_views=true) %}
    {% set names = [] %}
    {% for row in (var('application_columns', none) or []) if row['column_name'] is none %}
        {% if through_views or not row['is_of_view'] %}
            {% do names.append(row['table_name']) %}
        {% endif %}
    {% endfor %}
    {{ return(names) }}
{% endmacro %}


{# The tables that the SQL of vars reads, as the rest of a list of tables in SQL, or nothing. #}
{% macro and_tables_read_beside() -%}
    {%- for name in tables_read_beside(through_views=false) %} || {{ literal(', ' ~ name) }}{% endfor -%}
{%- endmacro %}


{# Whether a relation is one that views and the SQL of vars read: the rest of a disjunction, or nothing. oid: SQL. #}
{% macro or_is_read_beside(oid) -%}
    {%- for name in tables_read_beside() %} or {{ oid }} = to_regclass({{ literal(name) }}){% endfor -%}
{%- endmacro %}
