-- the linter takes the templates of the statements for SQL of the query:
-- noqa: disable=LT02
{#
    A column of the application's table, declared. One that exists fits when its type is the declared one, whatever
    its precision, when it may be null or not as declared, when its default is the declared one and nothing generates
    it; anything else is a conflict. A domain counts as its base type, with its own default and not null.
    table: a table of the dbt source; type: with or without a precision; default: a constant as SQL text, or none.
#}
{% macro declared_column(table, column, type, default, reason, nullable=true) %}
{%- if var('read_only') -%}
{{ nothing_declared() }}
{%- else -%}
{%- set statement -%}
    alter table {{ source('application', table).include(database=false) }} add column {{ quoted(column) }} {{ type }}
    {%- if default is not none %} default {{ default }}{% endif %}
    {%- if not nullable %} not null{% endif %}
{%- endset -%}
{%- set warning -%}
    a client that has prepared `select *` on {{ app_table_sql_name(table) }} gets an error from it until it prepares it again
{%- endset -%}
select
    'column' as kind,
    {{ literal(app_table_sql_name(table) ~ '.' ~ column) }} as object_name,
    case
        when a.attname is null then 'missing'
        when a.base_type_id <> {{ literal(type) }}::regtype then 'conflicting'
        when a.attnotnull <> {{ 'false' if nullable else 'true' }} then 'conflicting'
        when a.attgenerated <> '' or a.attidentity <> '' then 'conflicting'
        {% if default is none %}
            when a.default_expression is not null then 'conflicting'
        {% else %}
            when coalesce({{ constant_text('a.default_expression') }} <> {{ constant_text(literal(default)) }}, true)
                then 'conflicting'
        {% endif %}
        else 'present'
    end as state,
    {{ literal(statement) }} as statement,
    {{ literal(reason) }} as reason,
    'ACCESS EXCLUSIVE, for an instant: no row is rewritten' as lock,
    {{ literal(warning) }} || {{ publications_warning(table) }} as warning,
    0 as step,
    true as in_transaction,
    {{ no_comparison() }}
from (select 1) as one
left join {{ catalog_columns(table) }} as a on a.attname = {{ literal(column) }}
{%- endif %}
{% endmacro %}


{# The comment that explains a declared column; one that is there already stays, whatever it says. #}
{% macro declared_comment(table, column, comment) %}
{%- if var('read_only') -%}
{{ nothing_declared() }}
{%- else -%}
{%- set statement -%}
    comment on column {{ source('application', table).include(database=false) }}.{{ quoted(column) }} is {{ literal(comment) }}
{%- endset -%}
select
    'comment' as kind,
    {{ literal(app_table_sql_name(table) ~ '.' ~ column ~ ' (comment)') }} as object_name,
    case
        when a.attname is null or pg_catalog.col_description(a.attrelid, a.attnum) is null then 'missing'
        else 'present'
    end as state,
    {{ literal(statement) }} as statement,
    'A declared column says what it is for' as reason,
    'SHARE UPDATE EXCLUSIVE, for an instant: reads and writes go on' as lock,
    null::text as warning,
    0 as step,
    true as in_transaction,
    {{ no_comparison() }}
from (select 1) as one
left join {{ catalog_columns(table) }} as a on a.attname = {{ literal(column) }}
{%- endif %}
{% endmacro %}


{# schema.table, as people say it. #}
{% macro app_table_sql_name(table) -%}
    {{ var('app_schema') }}.{{ app_table_name(table) }}
{%- endmacro %}


{# The columns of one of the application's tables, from the catalog. #}
{% macro catalog_columns(table) -%}
    (
        select
            a.attrelid,
            a.attnum,
            a.attname,
            base.type_id as base_type_id,
            a.attnotnull or t.typnotnull as attnotnull,
            a.attgenerated,
            a.attidentity,
            -- a domain has a default of its own, for the columns without one
            coalesce(pg_catalog.pg_get_expr(d.adbin, d.adrelid), t.typdefault) as default_expression
        from pg_catalog.pg_attribute as a
        join pg_catalog.pg_class as c on c.oid = a.attrelid
        join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
        join pg_catalog.pg_type as t on t.oid = a.atttypid
        cross join {{ base_type('a.atttypid', 'a.atttypmod') }} as base
        left join pg_catalog.pg_attrdef as d
            on d.adrelid = a.attrelid
            and d.adnum = a.attnum
        where n.nspname = {{ literal(var('app_schema')) }}
            and c.relname = {{ literal(app_table_name(table)) }}
            and a.attnum > 0
            and not a.attisdropped
    )
{%- endmacro %}


{# A constant's text without the cast and the quotes that the catalog writes around it: '1'::bigint is 1. #}
{% macro constant_text(expression) -%}
    btrim(regexp_replace({{ expression }}, '::[^'']*$', ''), '''()')
{%- endmacro %}


{# What a new column means for subscribers of the table, or nothing where there can be none; a SQL expression. #}
{% macro publications_warning(table) -%}
    coalesce(
        (
            select
                '; it is published (' || string_agg(distinct p.pubname::text, ', ') || '): a subscriber without'
                || ' the column stops replicating, so add it there first'
            from pg_catalog.pg_publication_tables as p
            where p.schemaname = {{ literal(var('app_schema')) }}
                and p.tablename = {{ literal(app_table_name(table)) }}
        ),
        ''
    )
{%- endmacro %}
