{#
    An index on the application's table, declared. One of that name on another table is a conflict; one that a
    killed build left behind is invalid.
    table: a table of the dbt source; keys, predicate: SQL text.
#}
{% macro declared_index(table, name, keys, predicate, reason) %}
    {%- set relation = source('application', table) -%}
select
    {{ declared_change(
        kind='index',
        object_name=var('app_schema') ~ '.' ~ name,
        state="case
            when i.indexrelid is null then 'missing'
            when t.relname <> " ~ literal(app_table_name(table)) ~ " then 'conflicting'
            when not i.indisvalid then 'invalid'
            else 'present'
        end",
        statement='create index concurrently ' ~ quoted(name) ~ ' on ' ~ relation.include(database=false)
            ~ ' (' ~ keys ~ ')' ~ (' where ' ~ predicate if predicate is not none else ''),
        reason=reason,
        lock='SHARE UPDATE EXCLUSIVE: reads and writes go on; waits for older transactions',
        in_transaction=false,
    ) }}
from (select 1) as one
left join (
    pg_catalog.pg_class as x
    join pg_catalog.pg_namespace as n
        on n.oid = x.relnamespace
        and n.nspname = {{ literal(var('app_schema')) }}
    join pg_catalog.pg_index as i on i.indexrelid = x.oid
    join pg_catalog.pg_class as t on t.oid = i.indrelid
) on x.relname = {{ literal(name) }}
{% endmacro %}
