{#
    One row per column of these tables of the application, as the catalogue has it: its table, name and type, and the
    labels of an enum as a JSON array. tables: names as the application has them.
#}
{% macro columns_of_tables(tables) -%}
    select
        c.relname::text as table_name,
        a.attname::text as column_name,
        format_type(a.atttypid, a.atttypmod) as column_type,
        (
            select json_agg(e.enumlabel order by e.enumsortorder)
            from pg_catalog.pg_enum as e
            where e.enumtypid = a.atttypid
        )::text as enum_labels
    from pg_catalog.pg_attribute as a
    join pg_catalog.pg_class as c on c.oid = a.attrelid
    join pg_catalog.pg_namespace as n on n.oid = c.relnamespace
    where n.nspname = {{ literal(var('app_schema')) }}
        and c.relname in ({{ literals(tables) }})
        and c.relkind in ('r', 'p')
        and a.attnum > 0
        and not a.attisdropped
{%- endmacro %}
