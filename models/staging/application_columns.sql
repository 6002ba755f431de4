-- One row per column of the application's tables, as the catalogue has it: what the compiled SQL depends on. A
-- compilation that was kept is used again only while these rows are the same.
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
    and c.relname in ({{ literals([var('agents_table'), var('sessions_table'), var('calls_table')]) }})
    and c.relkind in ('r', 'p')
    and a.attnum > 0
    and not a.attisdropped
order by c.relname, a.attname
