{#
    A column of the application's table, declared. An existing one fits when its type is the declared one, whatever
    its precision, and nothing generates it.
    table: a table of the dbt source; type: with or without a precision; default: SQL text, or none.
#}
{% macro declared_column(table, column, type, default, reason) %}
    {%- set relation = source('application', table) -%}
select
    {{ declared_change(
        kind='column',
        object_name=var('app_schema') ~ '.' ~ app_table_name(table) ~ '.' ~ column,
        state="case
            when a.attname is null then 'missing'
            when a.atttypid <> " ~ literal(type) ~ "::regtype
                or a.attgenerated <> '' or a.attidentity <> '' then 'conflicting'
            else 'present'
        end",
        statement='alter table ' ~ relation.include(database=false) ~ ' add column ' ~ quoted(column) ~ ' ' ~ type
            ~ (' default ' ~ default if default is not none else ''),
        reason=reason,
        lock='ACCESS EXCLUSIVE, for an instant: no row is rewritten',
    ) }}
from (select 1) as one
left join {{ catalogue_columns(table) }} as a on a.attname = {{ literal(column) }}
{% endmacro %}


{# The comment that explains a declared column; one that is there already stays, whatever it says. #}
{% macro declared_comment(table, column, comment) %}
    {%- set relation = source('application', table) -%}
select
    {{ declared_change(
        kind='comment',
        object_name=var('app_schema') ~ '.' ~ app_table_name(table) ~ '.' ~ column ~ ' (comment)',
        state="case
            when a.attname is null or pg_catalog.col_description(a.attrelid, a.attnum) is null then 'missing'
            else 'present'
        end",
        statement='comment on column ' ~ relation.include(database=false) ~ '.' ~ quoted(column)
            ~ ' is ' ~ literal(comment),
        reason='A declared column says what it is for',
        lock='SHARE UPDATE EXCLUSIVE, for an instant: reads and writes go on',
    ) }}
from (select 1) as one
left join {{ catalogue_columns(table) }} as a on a.attname = {{ literal(column) }}
{% endmacro %}


{# The columns of one of the application's tables, from the catalogue. #}
{% macro catalogue_columns(table) -%}
    (
        select
            a.attrelid,
            a.attnum,
            a.attname,
            a.atttypid,
            a.attgenerated,
            a.attidentity
        from pg_catalog.pg_attribute as a
        join pg_catalog.pg_class as c on c.oid = a.attrelid
        join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
        where n.nspname = {{ literal(var('app_schema')) }}
            and c.relname = {{ literal(app_table_name(table)) }}
            and a.attnum > 0
            and not a.attisdropped
    )
{%- endmacro %}
